"""Every command starts, every time: fresh processes with the engine choice remembered and two threads at the engine.

Must not need a camera, a GPU or a display.
"""

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import cold_commands
import pytest
from cold_commands import HANGS_AFTER_S, Ended, run, start
from fakes import noise, write_clip
from web_page import Client, PageAddress

from neural_style.weights import SAVED_MODELS

pytestmark = [
    pytest.mark.skipif(not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

LIVE = ("--source", "pattern", "--sink", "null", "--style", "candy", "--max-frames", "5")
STARTS, VIDEOS, PAGES = 40, 20, 10
Result = TypeVar("Result")
AT_ONCE = 2
"""A start keeps one core busy; beside another it also meets a machine that is not its own."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands run; the choice of an engine is remembered before the first of them counts."""
    made = tmp_path_factory.mktemp("cold")
    write_clip(made / "clip.mp4", [noise((320, 240), seed) for seed in range(6)])
    for arguments in (("run_webcam.py", *LIVE), ("stylize.py", "clip.mp4", "-o", "first.mp4", "--style", "candy")):
        done = run(made, *arguments)
        assert done.status == 0, done.output
    return made


def _many(count: int, once: Callable[[int], Result]) -> list[Result]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(once, range(count)))


def _all_well(ends: list[Ended]) -> None:
    failed = [end for end in ends if end.status != 0]
    assert not failed, f"{len(failed)} of {len(ends)} did not start: {failed[0]}"


def test_the_live_loop_starts_every_time(folder: Path) -> None:
    ends = _many(STARTS, lambda _: run(folder, "run_webcam.py", *LIVE))
    _all_well(ends)
    assert all("finding out" not in end.output for end in ends), "the choice was not remembered"
    assert all("5 frames out" in end.output for end in ends)


def test_a_video_is_stylized_every_time(folder: Path) -> None:
    ends = _many(
        VIDEOS, lambda number: run(folder, "stylize.py", "clip.mp4", "-o", f"out{number}.mp4", "--style", "candy")
    )
    _all_well(ends)
    assert len(list(folder.glob("out*.mp4"))) == VIDEOS
    assert not list(folder.glob(".*"))


@pytest.mark.skipif(find_spec("aiortc") is None, reason="the page needs aiortc")
def test_the_page_gives_frames_to_its_viewer_every_time(folder: Path) -> None:
    def see(_: int) -> int:
        process = start(folder, "run_webcam.py", "--source", "pattern", "--sink", "web", "--port", "0")
        try:
            url = _address(process.stdout)
            asyncio.run(asyncio.wait_for(_see_a_frame(url), HANGS_AFTER_S))
        finally:
            process.terminate()
        return cold_commands.wait(process, time.monotonic()).status

    assert _many(PAGES, see) == [130] * PAGES


def _address(lines: object) -> str:
    for line in lines:  # type: ignore[attr-defined]
        found = re.search(r"page (http://\S+)", line)
        if found:
            return found.group(1)
    raise AssertionError("the page never said where it is")


async def _see_a_frame(url: str) -> None:
    client = Client(PageAddress(url))
    await client.connect()
    await client.image()
    await client.close()
