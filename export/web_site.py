"""Owns writing a site that needs no server: a folder of static files, checked in a browser before it is kept."""

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from export.exporter import ExportError
from export.site_check import check_site
from export.site_graph import build_site_model
from export.site_page import write_page
from export.site_runtime import VERSION, find_runtime, write_runtime
from neural_style.atomic_file import forget_partial, partial_folder
from neural_style.networks.fast_net import FastNet
from neural_style.weights.checkpoint import load_checkpoint, read_header
from realtime.engines.protocol import Engine
from realtime.engines.selection import open_engine
from realtime.flow import EngineStage
from realtime.options import EngineOptions
from realtime.style import Style, Vector
from realtime.style_catalogue import Catalogue
from realtime.web.uploads import thumbnail

STYLES_FILE, MODEL_FILE, FORMAT_VERSION = "styles.json", "model.onnx", 1
_MARKS = (STYLES_FILE, MODEL_FILE, "runtime/versions.json")
"""What no other folder has together."""

MAX_MODEL_BYTES, MAX_SITE_BYTES = 1_000_000, 15_000_000
_PLAIN = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)

_README = """# Neural style, in the visitor's browser

A page that stylizes the visitor's camera and images on the visitor's own device. All files are static: any web server
will do, below any path, and nothing is sent to it but requests for these files.

    python -m http.server -d {name}

- Browsers give a camera only to pages on this machine (http://localhost:8000/) and over HTTPS.
- Serve the files as they are. The page's service worker knows each by its SHA-256: it keeps them, so that the page
  works without a network from the second visit on, and takes none that was changed.
- Several threads compute where the page is isolated from others. The service worker sees to that, and loads a first
  visit twice for it; these headers of the server's spare that: `Cross-Origin-Opener-Policy: same-origin` and
  `Cross-Origin-Embedder-Policy: require-corp`.
- To update, write the folder again (`python export_onnx.py --web {name} --overwrite`) and replace all files. Visitors
  are told, and get the new version whole when they have closed the page and open it again.

`runtime/` is ONNX Runtime Web {runtime} (MIT, see `runtime/LICENSE` and `runtime/ThirdPartyNotices.txt`), its binaries
compressed by gzip. The page and the network are under the BSD-3-Clause licence; where the styles come from is in
`credits` of `styles.json`, and at the end of the page.
"""


def write_site(
    folder: Path, catalogue: Catalogue, first: int, runtime_dir: Path | None = None, overwrite: bool = False
) -> str:
    """Writes the site with all styles of a network, and gives a line that says what was written and how it was checked.

    Args:
        folder: where; it appears when it is whole and its check has passed.
        catalogue: the styles.
        first: the place of the style that the page shows first.
        runtime_dir: where ONNX Runtime Web is installed; None looks in the current folder and above.
        overwrite: replace a site that is there.

    Raises:
        ExportError: something else is there, the runtime is missing, the network is no `FastNet` that fits, or the
            browser's images differ from the engine's.
        CheckpointError: the network cannot be read.
        OSError: the folder cannot be written.
    """
    _check_folder(folder, overwrite)
    package = find_runtime(runtime_dir)
    checkpoint, styles = _styles(catalogue, first)
    with _whole_folder(folder) as partial, closing(_engine(catalogue, first)) as engine:
        write_runtime(package, partial / "runtime")
        _write_network(partial, checkpoint, styles)
        _write_thumbnails(partial, styles, engine)
        (partial / "README.md").write_text(
            _README.format(name=shlex.quote(folder.resolve().name), runtime=VERSION), "utf-8"
        )
        write_page(partial)
        size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        if size > MAX_SITE_BYTES:
            raise ExportError(
                f"site {folder}: is {size / 1e6:.1f} MB; more than {MAX_SITE_BYTES / 1e6:.0f} MB is refused"
            )
        checked = check_site(partial, styles, engine)
    return f"wrote {folder} ({size / 1e6:.1f} MB) with {len(styles)} styles; {checked}"


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Refuses a folder that others' files would be lost with, whatever was asked for."""
    if not folder.absolute().parent.is_dir():
        raise ExportError(
            f"web {folder}: there is no folder {folder.absolute().parent}; make it, or choose another place"
        )
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not all((folder / name).is_file() for name in _MARKS)):
        raise ExportError(f"web {folder}: is there already, and is no site; choose another name")
    if any(folder.iterdir()) and not overwrite:
        raise ExportError(f"web {folder}: is there already; use --overwrite, or choose another name")


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """Gives a folder to write to, in a hidden one beside `folder`, and moves it into place when the block succeeds."""
    folder = folder.resolve()
    partial = partial_folder(folder)
    try:
        partial.mkdir()
        new = partial / "new"
        new.mkdir()
        yield new
        _put_in_place(new, folder, partial / "former")
    except OSError as error:
        if str(error.filename).startswith(str(partial)):  # nobody knows that name
            error.filename = str(folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        forget_partial(partial)


def _put_in_place(new: Path, folder: Path, former: Path) -> None:
    if folder.exists():
        folder.rename(former)
    try:
        new.rename(folder)
    finally:  # whatever ends it, Ctrl-C among them, a site that was there is there again
        if former.exists() and not folder.exists():
            former.rename(folder)


def _styles(catalogue: Catalogue, first: int) -> tuple[Path, list[Style]]:
    """A network's weights and its styles, the chosen one before all others."""
    chosen = catalogue.styles[first]
    if chosen.parts:
        raise ExportError(f"style {chosen.name}: visitors blend for themselves; name one style, the one to begin with")
    if chosen.checkpoint is None or chosen.vector is None or chosen.identity is None:
        raise ExportError(f"style {chosen.name}: a site needs styles that are vectors; use one of the network fast")
    of_network = (style for style in catalogue.styles if style.checkpoint == chosen.checkpoint and not style.fault)
    return chosen.checkpoint, [chosen, *(style for style in of_network if style.name != chosen.name)]


def _engine(catalogue: Catalogue, first: int) -> Engine:
    return open_engine(catalogue, EngineOptions("torch", "cpu", "fp32"), first)


def _write_network(folder: Path, checkpoint: Path, styles: Sequence[Style]) -> None:
    """Writes the model file, and what the page must know of it and of the styles."""
    network = load_checkpoint(checkpoint)
    if not isinstance(network, FastNet) or network.shape.num_inner_blocks:
        raise ExportError(f"checkpoint {checkpoint}: is too large for a browser; use --network fast")
    content = build_site_model(network).SerializeToString(deterministic=True)
    if len(content) > MAX_MODEL_BYTES:
        raise ExportError(f"checkpoint {checkpoint}: its model has {len(content)} bytes; {MAX_MODEL_BYTES} are allowed")
    (folder / MODEL_FILE).write_bytes(content)
    said = {
        "format": FORMAT_VERSION,
        "model": MODEL_FILE,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "vector_size": network.vector_size,
        "identity": _numbers(styles[0].identity),
        "styles": [
            {"name": style.name, "thumbnail": thumbnail_path, "vector": _numbers(style.vector)}
            for style, thumbnail_path in zip(styles, _thumbnail_paths(styles), strict=True)
        ],
        "credits": _credits(styles),
    }
    (folder / STYLES_FILE).write_text(json.dumps(said, separators=(",", ":")) + "\n", "utf-8")


def _numbers(vector: Vector | None) -> list[float]:
    """The shortest texts that give the same float32."""
    return [] if vector is None else [float(str(value)) for value in vector]


def _credits(styles: Sequence[Style]) -> list[Any]:
    files = {file: None for style in styles for file in (style.file or style.checkpoint,) if file is not None}
    headers = [read_header(file) for file in files if file.suffix.lower() == ".safetensors"]
    return [credit for header in headers for credit in json.loads(header.get("credits", "[]"))]


def _thumbnail_paths(styles: Sequence[Style]) -> list[str]:
    """In the folder; a name that means more than itself in paths or addresses gives way to a number."""
    names = (style.name if _PLAIN.fullmatch(style.name) else str(place) for place, style in enumerate(styles, start=1))
    return [f"thumbnails/{name}.jpg" for name in names]


def _write_thumbnails(folder: Path, styles: Sequence[Style], engine: Engine) -> None:
    (folder / "thumbnails").mkdir()
    with EngineStage[None](engine) as stage:
        for style, path in zip(styles, _thumbnail_paths(styles), strict=True):
            (folder / path).write_bytes(thumbnail(stage, style))
