"""The style networks, their checkpoints and their training.

Knows nothing of cameras, windows or ONNX; importing it does not import torch.
"""
