"""The style networks, their checkpoints and their training.

Importing it does not import torch.
"""

from neural_style.telemetry import switch_off_telemetry

switch_off_telemetry()
