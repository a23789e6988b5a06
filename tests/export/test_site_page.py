"""Tests of the page of a site that needs no server, in Chromium with a fake camera: what a visitor sees and can do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CAMERA_WH, CHROMIUM, chromium, recorded_frames, sample_frames
from numpy.typing import NDArray
from PIL import Image as Pillow
from playwright.sync_api import Browser
from served_site import (
    DONE,
    FIGURES,
    IMAGE_NOTICE,
    ISOLATING,
    NOTICE,
    PHONE,
    READY,
    ServedSite,
    Visit,
    write_camera_clip,
    write_site_unchecked,
)

from export.site_page import list_files

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.timeout(120, method="thread"),  # a browser that hangs cannot be interrupted, only left
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("written") / "site"
    write_site_unchecked(written)
    return written


@pytest.fixture(scope="module")
def site(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    served = ServedSite(folder, tmp_path_factory.mktemp("served"))
    yield served
    served.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    clip = tmp_path_factory.mktemp("camera") / "clip.y4m"
    write_camera_clip(clip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PW_EXPERIMENTAL_SERVICE_WORKER_NETWORK_EVENTS", "1")  # their requests are recorded, too
        with chromium(clip) as opened:
            yield opened


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph that lies on its side, and says so: upright it is 300x400 px."""
    path = tmp_path_factory.mktemp("photo") / "holiday.jpg"
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(cv2.resize(sample_frames(1)[0], (400, 300))).save(path, exif=exif)
    return path


def _distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_the_camera_is_stylized_on_the_device_and_nothing_is_asked_of_others(
    browser: Browser, site: ServedSite
) -> None:
    visit = Visit(browser, site.url)
    visit.until(READY)
    assert visit.page.evaluate("crossOriginIsolated"), "the service worker brings what the server does not"
    visit.page.keyboard.press("s")
    visit.until("document.getElementById('said').textContent === 'there is no video yet'")
    visit.page.select_option("#size", "320x240")
    visit.start_camera()
    assert "2 threads" in visit.page.evaluate(FIGURES) or visit.page.evaluate("navigator.hardwareConcurrency") == 1
    first, frames = visit.seen(), sample_frames(40)
    assert first.shape == (CAMERA_WH[1], CAMERA_WH[0], 3)
    assert min(_distance(first, frame) for frame in frames) > 15, "it is stylized"
    visit.until_seen(lambda image: _distance(first, image) > 1)  # it moves
    visit.page.click("#styles button[data-name=mosaic]")
    visit.slide("strength", 0)
    visit.until_seen(lambda image: min(_distance(image, frame) for frame in frames) < 6)  # the camera's image itself
    visit.until("location.search === '?style=mosaic&strength=0'")
    assert visit.page.evaluate("localStorage.length + sessionStorage.length") == 0
    _check_with_axe(visit)
    visit.page.click("#camera-on")
    visit.until(READY)
    assert {f"{site.url}{name}" for name in ("icon-192.png", "model.onnx", "camera.js")} <= set(visit.requests)
    assert [url for url in visit.requests if not url.startswith(site.url)] == []
    visit.close()


def test_snapshots_recordings_and_pauses(browser: Browser, site: ServedSite, tmp_path: Path) -> None:
    visit = Visit(browser, site.url, _KEEPS_STREAMS)
    visit.until(READY)
    visit.start_camera()
    with visit.page.expect_download() as downloading:
        visit.page.keyboard.press("s")
    with Pillow.open(downloading.value.path()) as snapshot:
        assert snapshot.size == CAMERA_WH
    visit.page.click("#record")
    visit.page.wait_for_timeout(1500)
    with visit.page.expect_download() as downloading:
        visit.page.click("#camera-on")
    assert recorded_frames(downloading.value, tmp_path) > 3
    states = visit.page.evaluate("streams.flatMap((each) => each.getTracks().map((track) => track.readyState))")
    assert states == ["ended"], "the canvas would be copied for nobody"
    visit.start_camera()
    visit.page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    visit.page.wait_for_timeout(700)
    hidden = visit.seen()
    visit.page.wait_for_timeout(400)
    assert _distance(hidden, visit.seen()) == 0, "nothing is computed for a page that nobody sees"
    visit.close()


_KEEPS_STREAMS = """
    window.streams = [];
    const capture = HTMLCanvasElement.prototype.captureStream;
    HTMLCanvasElement.prototype.captureStream = function () { return streams[streams.push(capture.call(this)) - 1]; };
"""


def test_what_is_shown_is_a_matter_of_the_look(browser: Browser, site: ServedSite) -> None:
    visit = Visit(browser, site.url, service_workers="block")
    visit.until(READY)
    assert visit.complaints == ["Service Worker registration blocked by Playwright"]
    visit.complaints.clear()
    assert "one thread" in visit.page.inner_text("#why") or "WebGPU" in visit.page.inner_text("#why")
    assert "threads" not in visit.page.evaluate(FIGURES)
    visit.start_camera()
    visit.page.click("#freeze")
    visit.page.wait_for_timeout(700)
    candy = visit.seen()
    visit.page.wait_for_timeout(200)
    assert _distance(candy, visit.seen()) == 0, "it is frozen"
    print(f"a style is shown {visit.page.evaluate(_SWITCH):.0f} ms after the click")  # noqa: T201
    mosaic = visit.seen()
    assert _distance(candy, mosaic) > 10
    visit.page.check("#mirror")
    visit.until_seen(lambda image: _distance(image, mosaic[:, ::-1]) < 3)
    visit.page.uncheck("#mirror")
    visit.until_seen(lambda image: _distance(image, mosaic) < 3)
    visit.slide("split", 50)
    visit.until_seen(lambda image: _distance(image, mosaic) > 5)
    both = visit.seen()
    original = min(sample_frames(40), key=lambda frame: _distance(both[:, :150], frame[:, :150]))
    assert _distance(both[:, :150], original[:, :150]) < 6, "the left half is the camera's"
    assert _distance(both[:, 170:], mosaic[:, 170:]) < 3
    visit.page.check("#keep-colors")
    visit.until_seen(lambda image: _distance(image, both) > 3)
    of_mosaic, of_camera, shown = (
        cv2.cvtColor(np.ascontiguousarray(image[:, 170:]), cv2.COLOR_RGB2YCrCb)
        for image in (mosaic, original, visit.seen())
    )
    assert _distance(shown[..., 1:], of_camera[..., 1:]) < 0.5 * _distance(of_mosaic[..., 1:], of_camera[..., 1:])
    assert _distance(shown[..., 0], of_mosaic[..., 0]) < 0.5 * _distance(of_mosaic[..., 0], of_camera[..., 0])
    visit.close()


_SWITCH = """async () => {
    const probe = Object.assign(document.createElement("canvas"), { width: 32, height: 24 });
    const context = probe.getContext("2d", { willReadFrequently: true });
    const pixels = () => {
        context.drawImage(canvas, 0, 0, 32, 24);
        return context.getImageData(0, 0, 32, 24).data.join();
    };
    const before = pixels(), startedMs = performance.now();
    document.querySelector("#styles button[data-name=mosaic]").click();
    while (pixels() === before) await new Promise(requestAnimationFrame);
    return performance.now() - startedMs;
}"""
"""Milliseconds from a click on a style until another image is shown."""


def test_an_image_is_stylized_upright_and_in_every_style(browser: Browser, site: ServedSite, photo: Path) -> None:
    visit = Visit(browser, f"{site.url}?tab=image&style=udnie", color_scheme="dark", **PHONE)
    visit.page.set_input_files("#file", photo)
    visit.until(DONE)
    assert visit.page.inner_text("#download") == "Download the PNG, 300 \u00d7 400 px"
    upright = np.asarray(Pillow.open(photo).transpose(Pillow.Transpose.ROTATE_270))
    assert 10 < _distance(visit.result(), upright) < 100
    visit.slide("strength", 0)
    visit.until(f"{IMAGE_NOTICE} !== ''")
    visit.until(DONE)
    assert _distance(visit.result(), upright) < 8
    visit.until("[...document.querySelectorAll('#previews img')].every((image) => image.naturalWidth)")
    assert visit.page.locator("#previews img").count() == visit.page.locator("#styles img").count()
    assert not visit.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    _check_with_axe(visit)
    visit.page.set_input_files("#file", {"name": "it.heic", "mimeType": "image/heic", "buffer": b"of a phone"})
    visit.until(f"{IMAGE_NOTICE}.endsWith('this browser cannot read it.heic; give it a JPEG, PNG or WebP file.')")
    visit.close()


def _check_with_axe(visit: Visit) -> None:
    found = Axe().run(visit.page)
    assert not found.response["violations"], found.generate_report()
    assert len(found.response["passes"]) > 10


def test_without_a_camera_a_sentence_says_why_and_images_work(browser: Browser, site: ServedSite, photo: Path) -> None:
    visit = Visit(browser, site.url)
    visit.until(READY)
    for failure, words in (("NotAllowedError", "camera was refused"), ("NotFoundError", "No camera was found")):
        refuse = f"async () => {{ throw new DOMException('', '{failure}'); }}"
        visit.page.evaluate(f"void (navigator.mediaDevices.getUserMedia = {refuse})")
        visit.page.click("#camera-on")
        visit.until(f"{NOTICE}.includes('{words}')")
        assert visit.page.inner_text("#camera-on") == "Start the camera"
    visit.page.evaluate("void Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    visit.page.click("#camera-on")
    visit.until(f"{NOTICE}.includes('over HTTPS')")
    visit.page.click("#tab-image")
    visit.page.set_input_files("#file", photo)
    visit.until(DONE)
    visit.close()


def test_a_truncated_model_is_told_in_a_sentence_and_mended_by_a_reload(
    browser: Browser, folder: Path, tmp_path: Path, photo: Path
) -> None:
    damaged = ServedSite(folder, tmp_path)
    model = damaged.folder / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:300_000])
    visit = Visit(browser, damaged.url)
    visit.until(f"/network's file is damaged: 300000 of [0-9]+ bytes came/.test({NOTICE})")
    visit.page.click("#camera-on")
    visit.until(f"{NOTICE}.includes('is damaged')")
    visit.page.click("#tab-image")
    visit.page.set_input_files("#file", photo)
    visit.until(f"/cannot be stylized: The network's file is damaged.*came\\.$/.test({IMAGE_NOTICE})")
    model.write_bytes(whole)
    visit.page.goto(damaged.url)
    visit.until(READY)
    visit.close()
    damaged.stop()


def test_it_works_without_a_network_and_a_new_version_comes_whole(
    browser: Browser, folder: Path, tmp_path: Path
) -> None:
    served = ServedSite(folder, tmp_path, ISOLATING)
    visit = Visit(browser, served.url)
    visit.until(READY)
    assert visit.page.evaluate("crossOriginIsolated")
    visit.page.wait_for_timeout(500)  # the runtime is kept
    served.stop()
    visit.page.reload()
    visit.until(READY)
    visit.start_camera()
    visit.complaints.clear()  # the search for a newer service worker
    served.start()
    for name, old, new in (
        ("index.html", "<h1>Neural style</h1>", "<h1>New</h1>"),
        ("tabs.js", "// The", "// New: the"),
    ):
        path = served.folder / name
        path.write_text(path.read_text().replace(old, new))
    list_files(served.folder)
    visit.page.evaluate("navigator.serviceWorker.getRegistration().then((each) => void each.update())")
    visit.until("document.getElementById('news').textContent.includes('new version')")
    assert visit.page.inner_text("h1") == "Neural style"
    visit.page.reload()
    visit.until(READY)
    assert visit.page.inner_text("h1") == "Neural style", "never under a page that may be in use"
    visit.open_anew(served.url, until_title="New")
    assert visit.page.evaluate("fetch('tabs.js').then((answer) => answer.text())").startswith("// New: the")
    visit.until(READY)
    served.stop()
    visit.page.reload()
    visit.until(READY)
    assert visit.page.inner_text("h1") == "New"
    visit.complaints.clear()
    visit.close()


def test_what_keeps_the_page_from_starting_is_told(browser: Browser, site: ServedSite) -> None:
    visit = Visit(browser, site.url, "delete window.DecompressionStream")
    visit.until(f"{NOTICE}.includes('too old')")
    visit.close()
    visit = Visit(browser, site.url, "", missing="tabs.js")
    visit.until(f"{NOTICE}.includes('did not come')")
    visit.complaints.clear()
    visit.close()
