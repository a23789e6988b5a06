import importlib
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from neural_style import packages
from neural_style.errors import MissingPackageError
from neural_style.packages import PROJECT, export_command, install_command, optional_packages
from realtime.cli import run_main

ROOT = Path(__file__).resolve().parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _pins(lines: list[str]) -> dict[str, str]:
    """Package and version of lines such as "torch==2.13.0; sys_platform != 'darwin'"."""
    requirements = [line.partition(";")[0].strip() for line in lines]
    return dict(line.split("==") for line in requirements if "==" in line)


def _required(name: str) -> dict[str, str]:
    return _pins((ROOT / name).read_text(encoding="utf-8").splitlines())


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version", lambda _: "1.0.0")


@pytest.fixture
def cloned(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packages, "version", version)


@pytest.mark.usefixtures("installed")
def test_an_installed_project_is_completed_by_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "pyvirtualcam", missing)
    with (
        pytest.raises(MissingPackageError) as told,
        optional_packages("virtual camera"),
    ):
        importlib.import_module("pyvirtualcam")
    expected = (
        "virtual camera: pyvirtualcam is not installed; run pip install '.[virtual]' in a clone of neural-style-live"
    )
    assert str(told.value) == expected


@pytest.mark.usefixtures("cloned")
def test_a_clone_is_completed_by_its_requirements(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")

    assert run_main(work) == 1
    assert capsys.readouterr().err == "error: torch is not installed; run pip install -r requirements.txt\n"


@pytest.mark.usefixtures("cloned")
def test_what_the_requirements_lack_is_an_extra_and_is_called_as_pip_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = _required("requirements.txt").keys()
    for package, extra in packages._EXTRAS.items():
        is_listed = package == "aioice" or packages.distribution_of(package) in listed  # which aiortc brings
        assert is_listed or install_command(extra) == f"pip install '.[{extra}]'"
    missing: Any = None
    monkeypatch.setitem(sys.modules, "skimage", missing)
    with pytest.raises(MissingPackageError, match=r"^scikit-image is not installed"), optional_packages():
        importlib.import_module("skimage")


@pytest.mark.usefixtures("installed")
def test_an_installed_project_is_told_its_own_command() -> None:
    assert export_command() == "nsl-export"
    assert export_command() in DECLARED["scripts"]


def test_a_module_that_no_extra_brings_is_a_mistake_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"), optional_packages():
        importlib.import_module("no_such_module")


def test_extras_that_are_named_exist() -> None:
    extras = set(packages._EXTRAS.values())
    assert extras < DECLARED["optional-dependencies"].keys()
    assert DECLARED["name"] == PROJECT
    assert install_command("torch")


def test_every_extra_is_part_of_all() -> None:
    (everything,) = DECLARED["optional-dependencies"]["all"]
    named = everything.partition("[")[2].rstrip("]").split(",")
    assert {*named, "torch", "all"} == DECLARED["optional-dependencies"].keys()


def test_the_package_and_the_requirements_have_the_same_pins() -> None:
    pins = _pins(DECLARED["dependencies"])
    for lines in DECLARED["optional-dependencies"].values():
        pins |= _pins(lines)
    required = _required("requirements.txt")
    assert pins.pop("onnxruntime") == required.pop("onnxruntime") == required.pop("onnxruntime-gpu")
    development = _required("requirements-dev.txt")
    assert required.items() <= pins.items()
    assert {name: version for name, version in pins.items() if name not in required}.items() <= development.items()
