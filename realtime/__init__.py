"""Frames in, stylized frames out: `source -> mailbox -> batcher -> engine -> postprocess -> sinks`."""
