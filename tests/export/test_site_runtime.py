"""Tests of what a site computes with: found where npm puts it, or a line that says how to get it."""

import gzip
import json
from pathlib import Path

import pytest

from export.exporter import ExportError
from export.site_runtime import INSTALL_COMMAND, PACKAGE, VERSION, find_runtime, write_runtime

FILES = [
    "ort.wasm.min.mjs",
    "ort.webgpu.min.mjs",
    *(f"ort-wasm-simd-threaded{kind}" for kind in (".mjs", ".wasm", ".asyncify.mjs", ".asyncify.wasm")),
]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What npm installs, in `node_modules` of a folder."""
    package = tmp_path / "node_modules" / PACKAGE
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": PACKAGE, "version": VERSION}))
    for name in FILES:
        (package / "dist" / name).write_text(f"content of {name}")
    return package


def test_it_is_found_above_and_where_it_is_said_to_be(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "work" / "deeper"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_runtime(None) == package
    monkeypatch.chdir("/")
    (tmp_path / "package.json").write_text("{}")  # npm writes one beside node_modules
    for folder in (package, package.parent, tmp_path):
        assert find_runtime(folder) == package


def test_a_missing_one_is_told_with_the_command_that_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError) as caught:
        find_runtime(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert f"run {INSTALL_COMMAND}" in str(caught.value)
    monkeypatch.chdir("/")
    with pytest.raises(ExportError, match="this folder and those above; run npm install"):
        find_runtime(None)


@pytest.mark.parametrize(
    "said", ['{"name": "onnxruntime-web", "version": "1.18.0"}', '{"version": "1.30.0"}', "[", "[]"]
)
def test_another_version_or_package_is_refused(package: Path, said: str) -> None:
    (package / "package.json").write_text(said)
    with pytest.raises(ExportError, match=INSTALL_COMMAND):
        find_runtime(package)


def test_it_is_copied_with_licences_and_its_binaries_compressed(package: Path, tmp_path: Path) -> None:
    write_runtime(package, tmp_path / "runtime")
    written = {path.name: path.read_bytes() for path in (tmp_path / "runtime").iterdir()}
    for name in FILES:
        if name.endswith(".mjs"):
            assert written.pop(name.replace(".mjs", ".js")) == f"content of {name}".encode()
        else:
            assert gzip.decompress(written.pop(f"{name}.gzip")) == f"content of {name}".encode()
    assert b"Copyright (c) Microsoft" in written.pop("LICENSE")
    assert len(written.pop("ThirdPartyNotices.txt")) > 10_000
    assert json.loads(written.pop("versions.json"))[PACKAGE] == VERSION
    assert not written


@pytest.mark.parametrize("name", FILES)
def test_a_package_that_is_not_whole_is_refused(package: Path, name: str, tmp_path: Path) -> None:
    (package / "dist" / name).unlink()
    with pytest.raises(ExportError, match=name):
        write_runtime(package, tmp_path / "runtime")
