"""The network leaves Python: ONNX graphs, checked against PyTorch before they are kept."""
