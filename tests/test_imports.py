"""Tests of the import directions: scripts -> realtime, export, speed -> neural_style, and within neural_style.

Modules are parsed and not imported.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = {path.stem for path in ROOT.glob("*.py")}
PACKAGES = {"realtime", "export", "speed", "neural_style"}

_SHARED = {f"neural_style.{path.stem}" for path in (ROOT / "neural_style").glob("*.py") if path.stem != "__init__"}
"""The modules at the root of neural_style, which all may use."""

_NETWORKS = {"neural_style.networks", "neural_style.weights"}

_EXPORT = {"export", *_NETWORKS, *_SHARED, "realtime.media"}

_OF_A_SITE = {
    f"realtime.{part}"
    for part in ("engines", "flow", "frame", "options", "sources", "style", "style_catalogue", "web.uploads")
}
"""What a site that needs no server is made of: styles and their thumbnails, and an engine to compare it with."""

ALLOWED = {
    **dict.fromkeys(SCRIPTS, PACKAGES),
    "speed": {"speed", "realtime", "neural_style", "export.site_browser"},
    "export": _EXPORT,
    "export.style_choice": {*_EXPORT, "realtime.style"},
    "export.site_check": _EXPORT | _OF_A_SITE,
    "export.web_site": _EXPORT | _OF_A_SITE,
    "realtime": {"realtime", "neural_style.judging.flicker", *_NETWORKS, *_SHARED},  # which reports tell, too
    "realtime.media": {"realtime.media", "realtime.errors", "realtime.frame", *_SHARED},
    "neural_style": _SHARED,
    "neural_style.training": {"neural_style.training", *_NETWORKS, *_SHARED, "realtime.media"},
    "neural_style.judging": {"neural_style.judging", *_NETWORKS, *_SHARED, "realtime.media"},
    **dict.fromkeys(_NETWORKS, _NETWORKS | _SHARED),
    **dict.fromkeys(_SHARED, _SHARED | {"realtime.media"}),
}
"""What each part of the code may import of this project. A module belongs to the longest name that fits."""


def _within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def _imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each module of this project that is imported, in functions and for types alone, too."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            package = node.module or ""
            names = [f"{package}.{alias.name}" for alias in node.names]
            names = [name if _is_module(name) else package for name in names]
            if node.level:
                names = [f"neural_style.relative.{package}"]  # no part may import it, so that all names are whole
        yield from ((node.lineno, name) for name in names if name.split(".")[0] in PACKAGES | SCRIPTS)


def _forbidden(module: str, source: str) -> list[str]:
    """The imports of a module that go the wrong way, each as a line."""
    part = max((part for part in ALLOWED if _within(module, part)), key=len)
    return [
        f"{module}:{line} imports {name}; {part} may import {', '.join(sorted(ALLOWED[part]))}"
        for line, name in _imports(source)
        if not any(_within(name, allowed) for allowed in ALLOWED[part])
    ]


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_of_a_package_go_one_way(package: str) -> None:
    paths = sorted((ROOT / package).rglob("*.py"))
    assert len(paths) > 3
    assert [line for path in paths for line in _forbidden(_name(path), path.read_text(encoding="utf-8"))] == []


def test_scripts_import_packages_only() -> None:
    assert len(SCRIPTS) >= 5
    for script in SCRIPTS:
        assert _forbidden(script, (ROOT / f"{script}.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("realtime.live", "import export.graph"),
        ("realtime.live", "from export import graph"),
        ("realtime.live", "def f():\n    from speed.worker import main"),
        ("realtime.style", "from neural_style.training import options"),
        ("realtime.style", "import neural_style.judging.judge as judge"),
        ("realtime.media.codecs", "from realtime.options import RunOptions"),
        ("realtime.cli", "import stylize"),
        ("export.graph", "from realtime.style import Style"),
        ("export.graph", "from . import exporter"),
        ("neural_style.networks.tiles", "from neural_style.training.losses import gram"),
        ("neural_style.weights.checkpoint", "from realtime.media import video_reader"),
        ("neural_style.training.trainer", "from neural_style.judging import judge"),
        ("neural_style.training.trainer", "from realtime.frame import Image"),
        ("neural_style.judging.judge", "from neural_style.training.losses import gram"),
        ("neural_style.photos", "from neural_style.networks.fast_net import FastNet"),
    ],
)
def test_an_import_that_goes_the_wrong_way_is_found(module: str, source: str) -> None:
    (line,) = _forbidden(module, source)
    assert line.startswith(f"{module}:")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("realtime.live", "from realtime.frame import Image"),
        ("realtime.media.codecs", "from neural_style.atomic_file import whole_file"),
        ("neural_style.judging.inputs", "from realtime.media.video_reader import read"),
        ("neural_style.photos", "from neural_style import errors"),
        ("benchmark", "from speed import worker, plot"),
        ("export.graph", "import numpy\nfrom os import path"),
    ],
)
def test_an_import_that_goes_the_right_way_is_not(module: str, source: str) -> None:
    assert _forbidden(module, source) == []
