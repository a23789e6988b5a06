"""Tests of a GPU with 4 GB: live, videos and page with sizes and batches mixed never fail where parts would fit.

A pixel of memory stands for about 500 bytes, so that small frames fill it.
"""

from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
from fakes import CollectingSink, FakeSource, noise, write_clip
from small_card import STYLE, SmallCard

from realtime.controls import Controls
from realtime.engines.torch_engine import TorchEngine
from realtime.flow import EngineStage
from realtime.frame import Image
from realtime.live import Pipeline
from realtime.look import Look
from realtime.media.codecs import find_encoder
from realtime.options import EngineOptions, LookOptions, RunOptions
from realtime.stages import Stages
from realtime.style_catalogue import Catalogue
from realtime.videos.stylize_video import VideoJob, make_videos

CARD_PIXELS = 70_000
LOOK = Look(STYLE, 1.0, keep_colors=False, smoothing=0.0)


@pytest.fixture
def card() -> SmallCard:
    return SmallCard(CARD_PIXELS)


def test_sizes_and_batches_mixed_at_random(card: SmallCard, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    engine = card.open_engine(monkeypatch, said)
    rng = np.random.default_rng(0)
    sizes = [(64, 48), (160, 120), (200, 150), (320, 200), (640, 480), (33, 21)]
    for _ in range(200):
        size_wh, count = sizes[rng.integers(len(sizes))], int(rng.integers(1, 9))
        images = np.repeat(noise(size_wh)[None], count, axis=0)
        if rng.random() < 0.5:
            engine.prepare(images.shape, STYLE)
        assert (engine.stylize(images, STYLE) == 255 - images).all()
    assert card.failures, "or the card was not small"
    assert card.most <= CARD_PIXELS
    assert not [line for line in said if "33x21" in line or "64x48" in line], "small sizes are not limited by others"


def test_live_video_and_page_beside_each_other(
    card: SmallCard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = card.open_engine(monkeypatch, [])
    clip = write_clip(tmp_path / "clip.mp4", [noise((320, 240), seed) for seed in range(9)])
    job = VideoJob(clip, (LOOK,), (tmp_path / "out.mp4",), find_encoder(None, ".mp4"))
    assert make_videos(job, engine, lambda _: None, lambda *_: None).frames == 9
    sink = CollectingSink()
    controls = Controls(Catalogue((STYLE,)), 0, LookOptions(smoothing=0.0))
    options = RunOptions(unpaced=True, max_frames=8, engine=EngineOptions(batch_size=4))
    source = FakeSource(size_wh=(240, 180))
    Pipeline(Stages(source, engine, controls, [sink]), options, lambda _: None).run()
    assert sink.indices == list(range(8))
    page: EngineStage[None] = EngineStage(engine, prepares=False)
    for size_wh in islice(cycle([(300, 220), (64, 48), (500, 400), (123, 77)]), 8):
        image = noise(size_wh)[None]
        assert (page.stylize(image, STYLE, 1.0) == 255 - image).all()
    page.abort()
    assert card.most <= CARD_PIXELS


def test_a_single_image_is_not_recorded_and_one_that_keeps_coming_is(
    card: SmallCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = card.open_engine(monkeypatch, [], 1)
    for size_wh in [(40, 30), (41, 30), (42, 30), (40, 30)]:
        engine.stylize(noise(size_wh)[None], STYLE)
    assert not card.recorded
    engine.stylize(noise((40, 30))[None], STYLE)
    assert card.recorded == [(1, 30, 40, 3)]
    engine.prepare((1, 30, 43, 3), STYLE)
    assert card.recorded[1:] == [(1, 30, 43, 3)], "what was announced is recorded at once"


def test_batches_of_a_page_need_four_graphs_and_not_eight(card: SmallCard, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = card.open_engine(monkeypatch, [], 1)
    for count in (3, 1, 5, 8, 2, 7, 4, 6, 3, 5):
        images = np.stack([noise((32, 24), seed) for seed in range(count)])
        engine.prepare(images.shape, STYLE)
        assert (engine.stylize(images, STYLE) == 255 - images).all()
    assert sorted(shape[0] for shape in card.recorded) == [1, 2, 4, 8]


def test_a_batch_size_that_the_user_chose_is_not_filled_up(card: SmallCard, monkeypatch: pytest.MonkeyPatch) -> None:
    card.open_engine(monkeypatch, [], 1)
    engine = TorchEngine(Catalogue((STYLE,)), EngineOptions("torch", "cpu", "fp32", batch_size=5))
    for count in (5, 3):
        engine.prepare((count, 24, 32, 3), STYLE)
    assert [shape[0] for shape in card.recorded] == [5, 4]


def test_vectors_of_a_filled_batch_go_with_their_images() -> None:
    from realtime.engines.torch_engine import _filled

    images: Image = np.stack([noise((8, 8), seed) for seed in range(3)])
    filled, vectors = _filled(images, np.arange(6, dtype=np.float32).reshape(3, 2), 4)
    assert (filled[:3] == images).all()
    assert (filled[3] == images[2]).all()
    assert vectors is not None
    assert vectors.tolist() == [[0, 1], [2, 3], [4, 5], [4, 5]]
