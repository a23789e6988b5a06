import argparse
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import difference, noise
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video, take_apart

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FOLDERS = ("export", "neural_style", "realtime/cluster", "realtime/videos", "realtime/web", "saved_models", "speed")
PAGES = [README, *(ROOT / folder / "README.md" for folder in FOLDERS), ROOT / "realtime" / "stage.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    """The Python commands in all pages, but those of the model card, which a module writes and its test reads."""
    lines = [
        line
        for page in PAGES
        if page.parent.name != "saved_models"
        for block in blocks(page, "sh")
        for line in block.splitlines()
    ]
    return [line for line in lines if "python " in line and "venv" not in line]


class _ParsedError(BaseException):
    """The command line was understood; the command itself is not run."""


@pytest.mark.parametrize("line", commands())
def test_the_options_of_every_command_are_there(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser, arguments: Any = None) -> None:
        parse(parser, arguments)
        raise _ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    words = shlex.split(line, comments=True)
    words = words[words.index("python") + 1 :]
    words = words[: next((place for place, word in enumerate(words) if word in (">", "|")), None)]
    name = words.pop(1) if words[0] == "-m" else words[0].removesuffix(".py")
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(_ParsedError):
        importlib.import_module(name).main()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_python_block_runs(tmp_path: Path) -> None:
    (block,) = blocks(README, "python")
    photo = noise((96, 80))
    Pillow.fromarray(photo).save(tmp_path / "photo.jpg")
    make_video(tmp_path / "video.mp4", VideoKind(sound_s=0.3))
    told = "print(both.shape, both.dtype, stylizer.info.engine, len(stylizer.styles))"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{block}\n{told}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("(2, 80, 96, 3) uint8 ")
    with Pillow.open(tmp_path / "stylized.jpg") as stylized:
        assert difference(np.array(stylized), photo) > 10
    before, after = take_apart(tmp_path / "video.mp4"), take_apart(tmp_path / "stylized.mp4")
    assert (after.times, len(after.sounds)) == (before.times, len(before.sounds))
    assert difference(after.images[0], before.images[0]) > 5


def anchors(page: Path) -> set[str]:
    """Headings as the forges link to them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_images_are_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_first_screen_is_short_and_its_image_moves() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250
    first_screen = "\n".join(lines[:24])
    assert "pip install -r requirements.txt" in first_screen
    assert "\npython run_webcam.py\n" in first_screen
    found = re.search(r"!\[.*\]\((.*)\)", first_screen)
    assert found is not None
    image = ROOT / found[1]
    assert image.stat().st_size < 1_500_000
    with Pillow.open(image) as opened:
        assert getattr(opened, "n_frames", 1) > 10
