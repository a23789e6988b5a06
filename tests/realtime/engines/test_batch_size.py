"""Tests of finding how many images to stylize together; time is a fake's."""

from collections.abc import Mapping

import numpy as np
import pytest
from fakes import IdentityEngine, UnevenEngine, make_catalogue, noise
from numpy.typing import NDArray

from realtime.engines.batch_size import fastest_batch_size
from realtime.look import Look
from realtime.style import Style

LOOK = Look(make_catalogue("a").styles[0], 1.0, keep_colors=False, smoothing=0.0)


class TimedEngine(IdentityEngine):
    """Takes a fake clock's time: seconds for each size of batch."""

    def __init__(self, costs_s: Mapping[int, float]) -> None:
        super().__init__()
        self.costs_s, self.now_s = costs_s, 0.0

    def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
        self.now_s += self.costs_s[len(images)]
        return super().stylize(images, style, strength)


@pytest.mark.parametrize(
    ("costs_s", "best"),
    [
        ({1: 0.1, 2: 0.2, 4: 0.4}, 1),
        ({1: 0.1, 2: 0.19, 4: 0.38}, 1),  # 5 percent are not worth the wait
        ({1: 0.1, 2: 0.12, 4: 0.24}, 2),
        ({1: 0.1, 2: 0.12, 4: 0.16, 8: 0.31}, 4),  # the knee
        ({1: 0.1, 2: 0.12, 4: 0.16, 8: 0.2}, 8),
        ({1: 0.9}, 1),  # too slow to find out
    ],
)
def test_the_size_that_costs_least_for_each_image(
    costs_s: dict[int, float], best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TimedEngine(costs_s)
    monkeypatch.setattr("time.perf_counter", lambda: engine.now_s)
    assert fastest_batch_size(engine, LOOK, noise()) == best


@pytest.mark.parametrize(("enough_s", "best"), [(0.1, 1), (0.06, 2), (0.05, 4), (0.001, 4)])
def test_live_the_smallest_size_that_holds_the_rate_is_taken(
    enough_s: float, best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TimedEngine({1: 0.1, 2: 0.12, 4: 0.16, 8: 0.32})
    monkeypatch.setattr("time.perf_counter", lambda: engine.now_s)
    assert fastest_batch_size(engine, LOOK, noise(), enough_s=enough_s) == best


def test_what_a_size_costs_when_it_first_comes_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU the first call loads cuDNN, which takes seconds, and each size is recorded once."""

    class Recording(TimedEngine):
        def stylize(self, images: NDArray[np.uint8], style: Style, strength: float = 1.0) -> NDArray[np.uint8]:
            if all(size != len(images) for size, _ in self.batches):
                self.now_s += 5.0 if not self.batches else 2.5
            return super().stylize(images, style, strength)

    engine = Recording({1: 0.1, 2: 0.12, 4: 0.16, 8: 0.32})
    monkeypatch.setattr("time.perf_counter", lambda: engine.now_s)
    assert fastest_batch_size(engine, LOOK, noise()) == 4


def test_an_engine_of_several_batches_at_once_gets_single_images_unmeasured() -> None:
    engine = UnevenEngine(2)
    assert fastest_batch_size(engine, LOOK, noise()) == 1
    assert not engine.batches
