"""Tests of the size that a site's frames are stylized at: as large as holds the rate, without a swing."""

from pathlib import Path

import pytest
from browser import CHROMIUM, chromium

import export

MODULE = Path(export.__file__).parent / "site" / "frame-sizes.js"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_sizes_hold_the_rate_and_do_not_swing() -> None:
    with chromium() as browser:
        assert browser.new_page().evaluate(_RUNS, MODULE.read_text()) == {
            "slow": [160, 120],
            "fast": [1280, 720],
            "steady": [[416, 312]],
            "wrong": [[320, 240], [416, 312]],
            "changes": 5,
            "turned": [180, 320],
            "tiny": [[16, 16], [160, 16]],
        }


_RUNS = """async (module) => {
    const { FrameSizes, sizeWithin } = await import("data:text/javascript," + encodeURIComponent(module));
    let changes = 0;
    const run = (sizes, msOf, count) => {
        const seen = new Set();
        for (let frame = 0; frame < count; frame++) {
            const before = sizes.sizeWh.join();
            sizes.took(msOf(...sizes.sizeWh), 42 * frame);
            seen.add(sizes.sizeWh.join());
            changes += before !== sizes.sizeWh.join();
        }
        return [...seen].map((text) => text.split(",").map(Number));
    };
    const perPixel = (nanoseconds) => (width, height) => width * height * nanoseconds / 1e6;
    const slow = new FrameSizes([640, 480], 320), fast = new FrameSizes([1280, 720], 320);
    run(slow, perPixel(3000), 200);
    run(fast, perPixel(20), 200);
    const steady = new FrameSizes([640, 480], 416);
    const wrong = new FrameSizes([640, 480], 320); // the next larger size costs more than its pixels tell
    const tried = run(wrong, (width) => (width > 320 ? 60 : 20), 20);
    changes = 0;
    tried.push(...run(wrong, (width) => (width > 320 ? 60 : 20), 2400)); // 100 s
    return {
        slow: slow.sizeWh, fast: fast.sizeWh, steady: run(steady, perPixel(260), 500),
        wrong: [...new Set(tried.map(String))].map((text) => text.split(",").map(Number)), changes,
        turned: new FrameSizes([720, 1280], 320).sizeWh, tiny: [sizeWithin([3, 5], 1600), sizeWithin([4000, 30], 160)],
    };
}"""
