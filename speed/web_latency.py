"""Measures the way from a camera to a web page: `python -m speed.web_latency`.

A time is drawn into each frame as black and white blocks, and read back from the page in a real
browser: Debian's chromium, driven by Playwright. Stylized at strength 0, which gives back the frame.
"""

import argparse
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import Any

import cv2
import numpy as np

from neural_style.errors import MissingPackageError
from realtime.cli import run_main, run_script, say
from realtime.controls import ChangeLook, Controls
from realtime.engines import open_engine
from realtime.frame import Frame, Image
from realtime.live import Pipeline
from realtime.options import PARALLEL_BATCHES, EngineOptions, LookOptions, RunOptions, WebOptions
from realtime.sinks.null import NullSink
from realtime.sinks.web import WebSink
from realtime.sources.protocol import SourceInfo
from realtime.sources.selection import SAMPLE_CLIP
from realtime.stages import Stages
from realtime.stats import StatsReport
from realtime.style_catalogue import load_catalogue
from speed.clips import first_frames
from speed.machine import describe_machine

SIZE_WH = (640, 480)
RATE_FPS = 30.0
BITS = 16
BLOCK_PX = 40
_SETTLE_S = 4.0
_READ = """
() => {
  const canvas = new OffscreenCanvas(640, 40), found = window.found = [], means = window.means = [];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const read = () => {
    const now = performance.timeOrigin + performance.now();
    context.drawImage(video, 0, 0, 640, 40, 0, 0, 640, 40);
    const row = context.getImageData(0, 20, 640, 1).data;
    let stamp = 0;
    for (let bit = 0; bit < 16; bit++) stamp += (row[4 * (bit * 40 + 20)] > 127 ? 1 : 0) << bit;
    found.push([now, stamp]);
    context.drawImage(video, 0, 100, 640, 380, 0, 0, 8, 8);
    means.push([now, Array.from(context.getImageData(0, 0, 8, 8).data)]);
    video.requestVideoFrameCallback(read);
  };
  video.requestVideoFrameCallback(read);
}
"""


class StampedSource:
    """A camera at 30 fps that shows the sample clip and, above it, the milliseconds of the clock."""

    def __init__(self) -> None:
        self._frames = first_frames(SAMPLE_CLIP, SIZE_WH, 60)
        self._start_s, self._index, self._closed = time.perf_counter(), 0, False
        self.info = SourceInfo("stamped clip", SIZE_WH, RATE_FPS, can_pause=False)

    def read(self) -> Frame | None:
        """See `Source.read`."""
        due_s = self._start_s + self._index / RATE_FPS
        time.sleep(max(0.0, due_s - time.perf_counter()))
        if self._closed:
            return None
        pixels = self._frames[self._index % len(self._frames)].copy()
        captured_s = time.perf_counter()
        stamp(pixels, round(time.time() * 1000) % 2**BITS)
        frame = Frame(pixels, self._index, captured_s, self._index / RATE_FPS)
        self._index += 1
        return frame

    def close(self) -> None:
        """See `Source.close`."""
        self._closed = True


def stamp(pixels: Image, value: int) -> None:
    """Draws a number of 16 bits along the top, lowest bit first; uint8 (480, 640, 3)."""
    for bit in range(BITS):
        pixels[:BLOCK_PX, bit * BLOCK_PX : (bit + 1) * BLOCK_PX] = 235 if value >> bit & 1 else 20


def age_ms(seen_ms: float, value: int) -> float:
    """How long before a time, in ms of the clock, a stamp was drawn."""
    return float((seen_ms - value) % 2**BITS)


@contextmanager
def _live(stages: Stages) -> Iterator[tuple[Pipeline, Future[StatsReport]]]:
    """Runs the live loop beside the block and ends it with the block; gives the loop, and what it will report."""
    pipeline = Pipeline(stages, RunOptions(), lambda _: None)
    with ThreadPoolExecutor(1) as thread:
        try:
            yield pipeline, thread.submit(pipeline.run)
        finally:
            pipeline.interrupted = True  # as Ctrl-C does


def _watch(url: str, controls: Controls, seconds: float) -> tuple[list[tuple[float, int]], list[float]]:
    """Opens the page, reads stamps for so long, and then clicks on styles.

    Returns:
        (when it was seen, in ms of the clock; the stamp) of each image, and after how many ms clicks changed the image.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise MissingPackageError("web latency: chromium is not installed; install it, on Debian with apt")
    with sync_playwright() as library:
        browser = library.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox", "--no-zygote"])
        page = browser.new_page(viewport={"width": 1000, "height": 700}, bypass_csp=True)
        page.goto(url)
        page.wait_for_function("video.videoWidth > 0")
        page.wait_for_timeout(_SETTLE_S * 1000)
        page.evaluate(_READ)
        page.wait_for_timeout(seconds * 1000)
        found = page.evaluate("found.slice()")
        controls.apply(ChangeLook(strength=1.0))
        page.wait_for_timeout(1000)
        clicks_ms = []
        for number in range(8):
            started_ms = page.evaluate(
                f"(document.querySelectorAll('#styles button')[{1 + number % 2}].click(), "
                "means.splice(0), performance.timeOrigin + performance.now())"
            )
            page.wait_for_timeout(1000)
            clicks_ms.append(_changed_ms(page.evaluate("means.slice()"), started_ms))
        browser.close()
    return found, [value for value in clicks_ms if value is not None]


def _changed_ms(means: list[Any], started_ms: float) -> float | None:
    """When the image first came nearer to what it is at the end than to what it was at the beginning."""
    images = np.array([values for _, values in means], float)
    is_changed = np.abs(images - images[-1]).mean(axis=1) < np.abs(images - images[0]).mean(axis=1)
    return float(means[int(is_changed.argmax())][0]) - started_ms if is_changed.any() else None


def measure(seconds: float) -> dict[str, float]:
    """Runs the loop with nobody and with a page in turn; times in ms, rates in frames per second."""
    cv2.setNumThreads(1)
    catalogue = load_catalogue()
    engine = open_engine(catalogue, EngineOptions(parallel_batches=PARALLEL_BATCHES), 0, SIZE_WH)
    controls = Controls(catalogue, 0, LookOptions(smoothing=0.0, strength=0.0))
    with _live(Stages(StampedSource(), engine, controls, [NullSink()])) as (_, alone):
        time.sleep(_SETTLE_S + seconds)
    sink = WebSink(WebOptions(port=0), engine, catalogue, LookOptions())
    with _live(Stages(StampedSource(), engine, controls, [sink])) as (pipeline, watched):
        found, clicks_ms = _watch(sink.open("stamped clip", controls, pipeline.send), controls, seconds)
    engine.close()
    p5, p50, p95 = (float(age) for age in np.percentile([age_ms(*seen) for seen in found], (5, 50, 95)))
    loop_ms, null_fps = watched.result().latency_ms["p50"], alone.result().fps
    page_fps = (len(found) - 1) * 1000 / (found[-1][0] - found[0][0])
    return {
        "glass to glass p5": p5,
        "glass to glass p50": p50,
        "glass to glass p95": p95,
        "loop p50": loop_ms,
        "added p50": p50 - loop_ms,
        "added p95": p95 - loop_ms,
        "page fps": page_fps,
        "null sink fps": null_fps,
        "share of null": page_fps / null_fps,
        "click to change, median": median(clicks_ms),
        "click to change, slowest": max(clicks_ms),
    }


def main() -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(description="Measure the way from a camera to a web page.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run (default %(default)s)")
    seconds = parser.parse_args().seconds
    return run_main(lambda: _print_measured(seconds))


def _print_measured(seconds: float) -> int:
    for name, value in measure(seconds).items():
        say(f"{name:>26}: {value:.2f}" if "share" in name else f"{name:>26}: {value:.0f}")
    say(", ".join(f"{name}: {value}" for name, value in describe_machine().items()))
    return 0


if __name__ == "__main__":
    run_script(main)
