"""Tests of images that are uploaded once and stylized many times: handles, limits, turns, and who leaves."""

import io
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fakes import noise
from numpy.typing import NDArray
from PIL import Image as Pillow
from web_page import PATIENCE_S, Answer, ColourEngine, WebPage

from realtime.style import Style
from realtime.web import kept_images
from realtime.web.kept_images import KeptImages
from realtime.web.uploads import Upload, read_upload


class SlowEngine(ColourEngine):
    """Waits for leave before images of more than 300 px; counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.leave, self.begun, self.released = threading.Semaphore(0), 0, 0

    def release_unprepared(self) -> None:
        self.released += 1

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        if images.shape[2] > 300:
            self.begun += 1
            assert self.leave.acquire(timeout=PATIENCE_S)
        return super().stylize(images, style, strength)


def _png(size_wh: tuple[int, int] = (400, 300)) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(noise(size_wh)).save(file, "PNG", compress_level=1)
    return file.getvalue()


@pytest.fixture(scope="module")
def engine() -> SlowEngine:
    return SlowEngine()


@pytest.fixture(scope="module")
def page(engine: SlowEngine) -> Iterator[WebPage]:
    served = WebPage(engine)
    yield served
    for _ in range(50):
        engine.leave.release()
    served.close()


def _kept(page: WebPage, content: bytes | None = None) -> str:
    answer = page.ask("POST", "/api/images", content or _png())
    assert answer.status == 201, answer.body
    return str(answer.json["handle"])


def _stylized(page: WebPage, handle: str, **asked: object) -> Answer:
    return page.post(f"/api/images/{handle}/stylized", asked)


def _until(condition: object) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_an_image_is_sent_once_stylized_often_and_dropped(page: WebPage, engine: SlowEngine) -> None:
    answer = page.ask("POST", "/api/images", _png())
    assert (answer.status, answer.json["width"], answer.json["height"]) == (201, 400, 300)
    handle = answer.json["handle"]
    engine.leave.release()
    full = _stylized(page, handle, style="green", strength=1, keep_colors=False)
    preview = _stylized(page, handle, style="blue", max_side=100)
    for answer, size_wh, channel in ((full, (400, 300), 1), (preview, (100, 75), 2)):
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
        image = Pillow.open(io.BytesIO(answer.body)).convert("RGB")
        assert image.size == size_wh
        assert np.asarray(image)[5, 5].argmax() == channel
    assert page.ask("DELETE", f"/api/images/{handle}").status == 204
    for gone in (_stylized(page, handle), page.ask("DELETE", f"/api/images/{handle}")):
        assert gone.status == 404
        assert "upload it again" in gone.json["error"]


@pytest.mark.parametrize(
    "asked",
    [
        {"style": "nothing"},
        {"style": 3},
        {"strength": 2},
        {"strength": int("9" * 400)},
        {"strength": True},
        {"max_side": 1},
        {"max_side": 1e3},
        {"keep_colors": "yes"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(page: WebPage, asked: dict[str, object]) -> None:
    answer = _stylized(page, _kept(page), **asked)
    assert answer.status == 400
    assert answer.json["error"]


def test_while_one_is_stylized_the_newest_of_those_that_wait_wins(page: WebPage, engine: SlowEngine) -> None:
    handle, begun = _kept(page), engine.begun
    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(_stylized, page, handle, strength=0.05)]
        _until(lambda: engine.begun == begun + 1)
        for step in range(2, 21):
            answers.append(threads.submit(_stylized, page, handle, strength=step / 20))
            _until(answers[-2].done)
        engine.leave.release(2)
        statuses = [answer.result().status for answer in answers]
    assert statuses == [409] * 19 + [200], "a drag of the slider gives the last value"
    assert engine.begun == begun + 2, "and what lies between is not stylized"
    assert "newer" in answers[0].result().json["error"]


def test_previews_do_not_replace_the_image_and_too_many_are_told_when_to_come_again(
    page: WebPage, engine: SlowEngine
) -> None:
    handle, begun = _kept(page), engine.begun
    with ThreadPoolExecutor(20) as threads:
        full = threads.submit(_stylized, page, handle)
        _until(lambda: engine.begun == begun + 1)
        styles = ["red", "green", "blue", "red+blue"]
        previews = [threads.submit(_stylized, page, handle, style=style, max_side=64) for style in styles]
        _until(lambda: any(preview.done() for preview in previews))
        [refused] = [preview.result() for preview in previews if preview.done()]
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        engine.leave.release()
        assert full.result().status == 200
        assert sorted(preview.result().status for preview in previews) == [200, 200, 200, 503]


def test_when_nobody_asks_any_more_the_engine_gives_back_what_it_kept(
    page: WebPage, engine: SlowEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.web.image_routes._RELEASE_AFTER_S", 0.3)
    released, handle = engine.released, _kept(page)
    for _ in range(4):
        assert _stylized(page, handle, max_side=64).status == 200
    assert engine.released == released, "not while somebody does"
    _until(lambda: engine.released == released + 1)


def test_who_leaves_is_worked_for_no_longer(
    page: WebPage, engine: SlowEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    handle, begun = _kept(page), engine.begun
    for strength in (0.1, 0.2):
        with pytest.raises(TimeoutError):
            page.ask(
                "POST",
                f"/api/images/{handle}/stylized",
                b'{"strength": %f}' % strength,
                {"Content-Type": "application/json"},
                patience_s=0.3,
            )
    engine.leave.release()
    engine.leave.release()
    assert _stylized(page, handle, strength=0.5).status == 200
    assert engine.begun == begun + 2, "the one that had begun, and the last"
    assert "Traceback" not in capfd.readouterr().err


def _upload(size_bytes: int) -> Upload:
    small = read_upload(_png((32, 32))).small
    return Upload(b"x" * size_bytes, (32, 32), small)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_images, "MAX_OF_ADDRESS", 2)
    monkeypatch.setattr(kept_images, "MAX_KEPT_BYTES", 100_000)
    monkeypatch.setattr(kept_images, "UNUSED_S", 0.2)


@pytest.mark.usefixtures("few")
def test_of_too_many_the_oldest_of_who_keeps_most_is_dropped() -> None:
    import asyncio

    async def work() -> None:
        images = KeptImages()
        mine = images.keep(_upload(10_000), "me")
        theirs = [images.keep(_upload(30_000), "they").handle for _ in range(3)]
        images.find(mine.handle)
        with pytest.raises(kept_images.UnknownImageError):
            images.find(theirs[0])
        images.keep(_upload(50_000), "others")
        images.find(mine.handle)
        with pytest.raises(kept_images.UnknownImageError):
            images.find(theirs[1])
        await asyncio.sleep(0.4)
        assert not images._kept, "what nobody asked for is dropped by itself"

    asyncio.run(work())
