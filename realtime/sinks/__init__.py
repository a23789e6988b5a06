"""The sinks: where frames leave."""
