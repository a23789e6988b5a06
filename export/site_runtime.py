"""Owns what a page computes with: the files of ONNX Runtime Web, found in an installed npm package."""

import gzip
import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from export.exporter import ExportError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INSTALL_COMMAND = f"npm install {PACKAGE}@{VERSION}"

_SCRIPTS = {
    "ort.wasm.min.mjs": "ort.wasm.min.js",
    "ort.webgpu.min.mjs": "ort.webgpu.min.js",
    "ort-wasm-simd-threaded.mjs": "ort-wasm-simd-threaded.js",
    "ort-wasm-simd-threaded.asyncify.mjs": "ort-wasm-simd-threaded.asyncify.js",
}
"""Under names that every web server knows for scripts. The build for the processor is four times as fast there as the
other, which WebGPU needs."""

_BINARIES = ("ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.asyncify.wasm")
_LICENCES = ("LICENSE", "ThirdPartyNotices.txt")
"""The npm package holds none; the Python package of the same project does."""


def find_runtime(folder: Path | None) -> Path:
    """The folder of the installed npm package.

    Args:
        folder: that the user named: the package, or one with `node_modules`; None looks for the latter in the
            current folder and those above.

    Raises:
        ExportError: it is not there, or is not of the version that is known to work.
    """
    if folder is not None:
        places = [folder / "node_modules" / PACKAGE, folder / PACKAGE, folder]
    else:
        places = [holder / "node_modules" / PACKAGE for holder in (Path.cwd(), *Path.cwd().parents)]
    package = next((place for place in places if (place / "package.json").is_file()), None)
    if package is None:
        where = f"folder {folder}" if folder is not None else "this folder and those above"
        raise ExportError(
            f"{PACKAGE}: is not in {where}; run {INSTALL_COMMAND}, or give the package's folder with --runtime-dir"
        )
    try:
        said = json.loads((package / "package.json").read_text("utf-8"))
        name, version = said.get("name"), said.get("version")
    except (OSError, ValueError, AttributeError) as error:
        raise ExportError(f"{package}: cannot be read ({error}); run {INSTALL_COMMAND}") from error
    if (name, version) != (PACKAGE, VERSION):
        raise ExportError(f"{package}: is {name} {version}; {PACKAGE} {VERSION} is needed; run {INSTALL_COMMAND}")
    return package


def write_runtime(package: Path, target: Path) -> None:
    """Copies what a page needs of the package into a new folder, with versions and licences.

    Raises:
        ExportError: the package is not whole.
        OSError: a file cannot be written.
    """
    dist = package / "dist"
    missing = [name for name in (*_SCRIPTS, *_BINARIES) if not (dist / name).is_file()]
    if missing:
        raise ExportError(f"{package}: has no dist/{missing[0]}; run {INSTALL_COMMAND}")
    target.mkdir()
    for source, name in _SCRIPTS.items():
        shutil.copyfile(dist / source, target / name)
    for name in _BINARIES:  # static hosts rarely compress them, and few would count them as small
        # Their names keep servers from unpacking them on the way, which only some do.
        with gzip.GzipFile(target / f"{name}.gzip", "wb", mtime=0) as packed:
            packed.write((dist / name).read_bytes())
    for name in _LICENCES:
        shutil.copyfile(_python_package() / name, target / name)
    (target / "versions.json").write_text(json.dumps({PACKAGE: VERSION, "licence": "MIT"}) + "\n", "utf-8")


def _python_package() -> Path:
    found = find_spec("onnxruntime")
    if found is None or found.origin is None:
        raise ExportError("onnxruntime: is not installed; run pip install -r requirements.txt")
    return Path(found.origin).parent
