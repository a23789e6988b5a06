"""Owns where the loss networks lie that torchvision has downloaded before; imports no PyTorch."""

import os
from pathlib import Path
from typing import Literal

VGG_FILES: dict[Literal["vgg19", "vgg16"], str] = {"vgg19": "vgg19-dcbb9e9d.pth", "vgg16": "vgg16-397923af.pth"}
"""What torchvision downloads, by its file's name; the better one first."""


def downloaded_vggs() -> list[Literal["vgg19", "vgg16"]]:
    """The VGGs in the folder that PyTorch downloads to, as `torch.hub.get_dir` finds it; the better one first."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    hub = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub"
    return [name for name, file in VGG_FILES.items() if (hub / "checkpoints" / file).is_file()]
