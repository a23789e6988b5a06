"""The network leaves Python: ONNX graphs, checked against PyTorch before they are kept."""

from neural_style.telemetry import switch_off_telemetry

switch_off_telemetry()
