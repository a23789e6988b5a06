"""The style networks, their checkpoints and their training.

Knows nothing of cameras, windows or ONNX; importing it does not import torch.
"""

from neural_style.telemetry import switch_off_telemetry

switch_off_telemetry()
