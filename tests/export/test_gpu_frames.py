"""Tests of what the shaders of a site do with frames, beside what JavaScript does where there is no WebGPU."""

import json
from pathlib import Path

import pytest

from export.site_browser import SOFTWARE_GPU, Served, find_browser, opened_page

SITE = Path(__file__).parents[2] / "export" / "site"

PAGE = """<!doctype html><script type="module">
import { addStylized } from "/cpu-frames.js";
import { GpuFrames } from "/gpu-frames.js";

const send = (kind, body) => fetch(`/test/${kind}`, { method: "POST", body });
const [width, height, columns, rows, share] = [62, 45, 16, 12, 0.5];

function photograph() {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d", { willReadFrequently: true });
  const image = context.createImageData(width, height);
  image.data.forEach((_, place) => { image.data[place] = place % 4 === 3 ? 255 : (place * 13) % 256; });
  context.putImageData(image, 0, 0);
  return [canvas, image];
}

async function differences(device) {
  const painted = new Float32Array(12 * 4 * rows * columns).map((_, place) => 60 + (place * 37) % 100);
  const ort = { Tensor: { fromGpuBuffer: (gpuBuffer, options) => ({ gpuBuffer, ...options }) } };
  const session = { run: async (_, { stylized }) => device.queue.writeBuffer(stylized.gpuBuffer, 0, painted) };
  const frames = new GpuFrames(ort, session, device), [canvas, expected] = photograph();
  frames.setStyle(Float32Array.of(1, 2, 3, share));
  addStylized(expected, painted, columns, rows, share);
  const sources = { bitmap: await createImageBitmap(canvas), video: new VideoFrame(canvas, { timestamp: 0 }) };
  const found = {};
  for (const [kind, source] of Object.entries(sources)) {
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(await frames.stylize(source, width, height), 0, 0);
    const got = context.getImageData(0, 0, width, height).data;
    found[kind] = Math.max(...got.map((value, place) => Math.abs(value - expected.data[place])));
  }
  return found;
}

try {
  const adapter = await navigator.gpu?.requestAdapter();
  await send("found", JSON.stringify(adapter ? await differences(await adapter.requestDevice()) : {}));
} catch (error) { await send("failed", error.message); }
</script>"""
"""Posts by how much the image of each kind of frame differs at most, in place of a network with one that is known."""


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="chromium is not installed")
def test_shaders_lay_out_and_add_as_javascript_does() -> None:
    browser = find_browser()
    assert browser is not None
    with opened_page(browser, Served(SITE, {"/page.html": PAGE.encode()}), "/page.html", SOFTWARE_GPU) as page:
        _, body = page.answer(60)
    found = json.loads(body)
    if not found:
        pytest.skip("this Chromium has no WebGPU in software")
    assert set(found) == {"bitmap", "video"}
    assert max(found.values()) <= 1
