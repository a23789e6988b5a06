"""Owns the page of a site that needs no server: its files, its controls, and what its service worker keeps."""

import hashlib
import json
import re
import shutil
from pathlib import Path

_OWN = Path(__file__).with_name("site")
_LIVE = Path(__file__).parents[1] / "realtime" / "web" / "page"
_SHARED = (
    "camera.js",
    "controls.js",
    "images.js",
    "keys.js",
    "page.css",
    "settings.js",
    "shared.js",
    "stage.js",
    "tabs.js",
)
"""What the live page and this one have in common: it knows nothing of a server."""

_PART = re.compile(r"<!-- part: (\w+) -->\n(.*?)<!-- end of part -->\n", re.DOTALL)
_FOR_A_SERVER = re.compile(r"<!-- for a server -->\n.*?<!-- end -->\n", re.DOTALL)
_WORKER = "service-worker.js"
_UNSET = 'const VERSION = "", FILES = {};'
_NOT_KEPT = {_WORKER, "README.md", "runtime/LICENSE", "runtime/ThirdPartyNotices.txt", "runtime/versions.json"}


def write_page(folder: Path) -> None:
    """Writes the page's own files into a folder that holds the rest of a site already.

    Nothing in the folder may be changed afterwards: the service worker serves exactly what is there now.

    Args:
        folder: with the model, the styles and the runtime.

    Raises:
        OSError: a file cannot be read or written.
    """
    for source in (*sorted(_OWN.iterdir()), *(_LIVE / name for name in _SHARED)):
        shutil.copyfile(source, folder / source.name)
    page = folder / "index.html"
    page.write_text(_with_parts(page.read_text("utf-8")), "utf-8", newline="\n")
    list_files(folder)


def _with_parts(page: str) -> str:
    """The page with the live page's parts in their places."""
    parts = {
        name: _FOR_A_SERVER.sub("", part) for name, part in _PART.findall((_LIVE / "index.html").read_text("utf-8"))
    }
    return re.sub(r"<!-- part: (\w+) -->\n", lambda place: parts[place[1]], page)


def list_files(folder: Path) -> None:
    """Tells the service worker what the folder holds; its version is the hash of that."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in _NOT_KEPT:
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    listed = json.dumps(files, indent=0)
    version = hashlib.sha256(listed.encode()).hexdigest()[:16]
    before, after = (_OWN / _WORKER).read_text("utf-8").split(_UNSET)
    text = f'{before}const VERSION = "{version}", FILES = {listed};{after}'
    (folder / _WORKER).write_text(text, "utf-8", newline="\n")
