"""Files on many machines: `stylize.py --ray`. Ray hands out the work; only `ray_pool` imports it."""
