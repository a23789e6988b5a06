"""Measures a site that `export_onnx.py --web` wrote, in Chromium without a window: `python -m speed.site_speed site/`.

Frames of one size are stylized one after the other, with a change of style at every tenth. Memory is that of
all the browser's processes, from the first frame on.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil

from export.site_browser import ISOLATION, Served, find_browser, opened_page
from neural_style.errors import MissingPackageError
from realtime.cli import parse_size_wh, run_main, run_script, say
from realtime.media.image_file import StillImage, encode_still
from realtime.sources.selection import SAMPLE_CLIP
from speed.clips import first_frames
from speed.machine import describe_machine

_PAGE = Path(__file__).with_suffix(".html")
_START_S = 90
_SOFTWARE_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-swiftshader")
"""WebGPU on a machine without a graphics card."""

_CASES = (("wasm", 1), ("wasm", 2), ("webgpu", 1))


def measure(folder: Path, size_wh: tuple[int, int], lasts_s: float) -> Iterator[str]:
    """Gives a line for each provider and number of threads.

    Args:
        folder: the site.
        size_wh: width and height in px of the frames.
        lasts_s: how long each is measured.

    Raises:
        ExportError: the site does not work.
        MissingPackageError: there is no Chromium.
    """
    browser = find_browser()
    if browser is None:
        raise MissingPackageError("site: there is no Chromium to measure it in; install chromium")
    image = encode_still(StillImage(first_frames(SAMPLE_CLIP, size_wh, 1)[0]), ".png")
    served = Served(folder, {"/speed/page.html": _PAGE.read_bytes(), "/speed/image.png": image}, ISOLATION)
    for provider, threads in _CASES:
        query = f"provider={provider}&threads={threads}&width={size_wh[0]}&height={size_wh[1]}&seconds={lasts_s}"
        flags = _SOFTWARE_GPU if provider == "webgpu" else ()
        memory_mb = []
        with opened_page(browser, served, f"/speed/page.html?{query}", flags) as page:
            kind, body = page.answer(_START_S)
            while kind == "alive":
                memory_mb.append(_memory_mb(page.process))
                kind, body = page.answer(_START_S)
        figures = json.loads(body)
        frame_ms = median(figures["framesMs"])
        yield (
            f"{figures['provider']}, {figures['threads']} threads: {1000 / frame_ms:.1f} fps ({frame_ms:.0f} ms a "
            f"frame), first frame after {figures['firstMs']:.0f} ms, a frame in a new style at most "
            f"{max(figures['switchesMs'], default=0):.0f} ms, memory {memory_mb[0]:.0f} MB at first and "
            f"{memory_mb[-1]:.0f} MB after {lasts_s:.0f} s (at most {max(memory_mb):.0f} MB)"
        )


def _memory_mb(process: int) -> float:
    """What the processes of a browser hold for themselves, in MB."""
    browser = psutil.Process(process)
    held = 0
    for each in (browser, *browser.children(recursive=True)):
        held += each.memory_full_info().uss
    return held / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the site")
    parser.add_argument("--size", default="320x240", metavar="WxH", help="of the frames (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="for each (default %(default)s)")
    chosen = parser.parse_args(arguments)

    def run() -> int:
        say(", ".join(f"{name}: {value}" for name, value in describe_machine().items()))
        for line in measure(chosen.folder, parse_size_wh(chosen.size), chosen.seconds):
            say(line)
        return 0

    return run_main(run)


if __name__ == "__main__":
    run_script(main)
