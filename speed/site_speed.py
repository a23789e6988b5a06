"""Measures a site that `export_onnx.py --web` wrote, in Chromium without a window: `python -m speed.site_speed site/`.

Frames of one size are stylized one after the other, with a change of style at every tenth. Memory is that of
all the browser's processes, from the first frame on.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from export.site_browser import ISOLATION, SOFTWARE_GPU, OpenedPage, Served, find_browser, opened_page
from neural_style.errors import MissingPackageError
from realtime.cli import parse_size_wh, run_main, run_script, say
from realtime.media.image_file import StillImage, encode_still
from realtime.sources.selection import SAMPLE_CLIP
from speed.clips import first_frames
from speed.machine import describe_machine

_PAGE = Path(__file__).with_suffix(".html")
_ANSWER_S = 180
_ROUTE = "/speed/page.html"
_CASES = (("wasm", 1), ("wasm", 2), ("webgpu", 1))


def measure(folder: Path, size_wh: tuple[int, int], lasts_s: float, cases: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Gives a line for each provider and number of threads.

    Args:
        folder: the site.
        size_wh: width and height in px of the frames.
        lasts_s: how long each is measured.
        cases: providers, "wasm" or "webgpu", each with a number of threads.

    Raises:
        ExportError: the site does not work.
        MissingPackageError: there is no Chromium.
    """
    browser = find_browser()
    if browser is None:
        raise MissingPackageError("site: there is no Chromium to measure it in; install chromium")
    image = encode_still(StillImage(first_frames(SAMPLE_CLIP, size_wh, 1)[0]), ".png")
    served = Served(folder, {_ROUTE: _PAGE.read_bytes(), "/speed/image.png": image}, ISOLATION)
    for provider, threads in cases:
        query = f"provider={provider}&threads={threads}&width={size_wh[0]}&height={size_wh[1]}&seconds={lasts_s}"
        flags = SOFTWARE_GPU if provider == "webgpu" else ()
        with opened_page(browser, served, f"{_ROUTE}?{query}", flags) as page:
            yield _line(page)


def _line(page: OpenedPage) -> str:
    """What a page measured, and meanwhile the memory of its browser."""
    memory_mb = []
    kind, body = page.answer(_ANSWER_S)
    while kind == "alive":
        memory_mb.append(_memory_mb(page.process.pid))
        kind, body = page.answer(_ANSWER_S)
    figures = json.loads(body)
    frame_ms = median(figures["framesMs"])
    thirds = [memory_mb[round((len(memory_mb) - 1) * third / 3)] for third in range(4)]
    return (
        f"{figures['provider']}, {figures['threads']} threads: {1000 / frame_ms:.1f} fps ({frame_ms:.0f} ms a frame), "
        f"first frame after {figures['firstMs']:.0f} ms, a frame in a new style at most "
        f"{max(figures['switchesMs'], default=0):.0f} ms, memory from start to end "
        f"{', '.join(f'{each:.0f}' for each in thirds)} MB"
    )


def _memory_mb(process: int) -> float:
    """What the processes of a browser hold for themselves, in MB."""
    held = 0
    with suppress(psutil.NoSuchProcess):  # one that has ended since
        browser = psutil.Process(process)
        for each in (browser, *browser.children(recursive=True)):
            held += each.memory_full_info().uss
    return held / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the site")
    parser.add_argument("--size", default="320x240", metavar="WxH", help="of the frames (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="for each (default %(default)s)")
    parser.add_argument("--provider", choices=("wasm", "webgpu"), help="the only one to measure")
    parser.add_argument("--threads", type=int, choices=(1, 2), help="the only number of them to measure")
    chosen = parser.parse_args(arguments)

    cases = [
        (provider, threads)
        for provider, threads in _CASES
        if chosen.provider in (None, provider) and chosen.threads in (None, threads)
    ]

    def run() -> int:
        say(", ".join(f"{name}: {value}" for name, value in describe_machine().items()))
        for line in measure(chosen.folder, parse_size_wh(chosen.size), chosen.seconds, cases):
            say(line)
        return 0

    return run_main(run)


if __name__ == "__main__":
    run_script(main)
