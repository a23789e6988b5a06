"""Tests of the process that betters a style, with a module that only writes vectors; and of what it needs."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from fakes import make_catalogue

from neural_style.errors import MissingPackageError
from neural_style.loss_network_files import VGG_FILES, downloaded_vggs
from realtime import refining_process
from realtime.refining_process import RefiningProcess, can_better_much, check_packages
from realtime.style import Style

pytestmark = pytest.mark.timeout(60)

_COUNTS = """
import sys, time, numpy, psutil
output = sys.argv[sys.argv.index("--output") + 1]
value = numpy.load(output)
print("noise on standard output")
while True:
    time.sleep(0.05)
    value = value + 1
    numpy.save(output + ".new.npy", value)
    psutil.os.replace(output + ".new.npy", output)
"""
_FAILS = """
import sys
sys.stderr.write("a warning of a library\\nerror: style image rust.jpg: is damaged\\n")
sys.exit(1)
"""


@pytest.fixture
def style() -> Style:
    return replace(make_catalogue("rust").styles[0], vector=np.array([5], np.float32), file=Path("rust.jpg"))


def _stub(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "stub_of_refine.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(refining_process, "_MODULE", "stub_of_refine")


def _until(true: Callable[[], object], limit_s: float = 20.0) -> None:
    end_s = time.monotonic() + limit_s
    while not true() and time.monotonic() < end_s:
        time.sleep(0.02)
    assert true()


def _next(process: RefiningProcess) -> float:
    found: list[float] = []

    def look() -> bool:
        vector = process.newer_vector()
        found.extend([] if vector is None else [float(vector[0])])
        return bool(found)

    _until(look)
    return found[0]


def test_it_goes_on_from_the_vector_can_be_suspended_and_leaves_nothing(
    style: Style, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stub(_COUNTS, tmp_path, monkeypatch)
    process = RefiningProcess(style, None)
    assert process.newer_vector() is None, "its own start is no news"
    watched = psutil.Process(process._process.pid)
    first = _next(process)
    assert 5 < first < _next(process)
    if sys.platform != "win32":
        assert watched.nice() == 19
    process.let_run(False)
    _until(lambda: watched.status() == psutil.STATUS_STOPPED)
    process.newer_vector()
    time.sleep(0.2)
    assert process.newer_vector() is None
    process.let_run(True)
    _next(process)
    process.let_run(False)
    assert not process.ended
    folder = process._folder
    process.end()
    assert not watched.is_running()
    assert not folder.exists()


def test_the_reason_of_a_failure_is_its_last_line(
    style: Style, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stub(_FAILS, tmp_path, monkeypatch)
    process = RefiningProcess(style, None)
    _until(lambda: process.ended)
    assert process.fault == "style image rust.jpg: is damaged"
    process.end()


def test_a_downloaded_vgg_is_found_where_pytorch_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert downloaded_vggs() == []
    assert not can_better_much(None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / VGG_FILES["vgg16"]).touch()
    assert downloaded_vggs() == ["vgg16"]
    assert can_better_much(None)
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "torch").mkdir()
    (tmp_path / "hub").rename(tmp_path / "torch" / "hub")
    assert downloaded_vggs() == ["vgg16"]


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refining_process, "find_spec", lambda name: None if name == "skimage" else object())
    with pytest.raises(MissingPackageError, match="refine: scikit-image is not installed; run pip install"):
        check_packages(None)
    assert not can_better_much(Path("vgg.safetensors"))
