"""Files on many machines: `stylize.py --ray`. Only `ray_cluster` imports Ray."""
