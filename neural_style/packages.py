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

_NOT_IN_REQUIREMENTS = ("cluster",)
"""Extras that a clone's one file leaves out: large, and for few."""


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
            f"{told}{package} is not installed; run {install_command(_EXTRAS[package])}"
        ) from error


def install_command(extra: str) -> str:
    """The pip command that brings an extra: of the installed project, or of a clone, where one file lists most."""
    if _is_installed():
        return f"pip install '{PROJECT}[{extra}]'"
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
