"""Frames in, stylized frames out: `source -> mailbox -> batcher -> engine -> postprocess -> sinks`."""

from neural_style.telemetry import switch_off_telemetry

switch_off_telemetry()
