"""Tests of finishing a stylized image: smoothing with its memory, original colours, fading.

Must not need an engine.
"""

import numpy as np
from fakes import difference, make_catalogue, noise, solid

from realtime.controls import Look
from realtime.finish import Finisher

PLAIN = make_catalogue("a", "b").styles
FADING = make_catalogue("a", identity=0.0).styles[0]


def look(smoothing: float = 0.0, strength: float = 1.0, keep_colors: bool = False, place: int = 0) -> Look:
    return Look(PLAIN[place], strength, keep_colors, smoothing)


def test_without_any_wish_the_stylized_stays() -> None:
    assert np.array_equal(Finisher().finish(noise(seed=1), noise(), look()), noise(seed=1))


def test_a_style_without_a_vector_fades_by_pixels() -> None:
    half = Finisher().finish(solid((200, 0, 0)), solid((100, 0, 0)), look(strength=0.5))
    assert abs(int(half[0, 0, 0]) - 150) <= 1
    kept = Finisher().finish(solid((200, 0, 0)), solid((100, 0, 0)), Look(FADING, 0.5, False, 0.0))
    assert int(kept[0, 0, 0]) == 200


def test_original_colours() -> None:
    grey = Finisher().finish(noise(seed=1), solid((90, 90, 90)), look(keep_colors=True))
    assert np.ptp(grey.astype(int), axis=2).max() <= 2


def test_where_nothing_moves_the_last_stylized_is_mixed_in() -> None:
    finisher = Finisher()
    finisher.finish(solid((0, 0, 0)), noise(), look(smoothing=0.5))
    assert 0 < finisher.finish(solid((100, 100, 100)), noise(), look(smoothing=0.5)).mean() < 100


def test_another_style_begins_anew() -> None:
    finisher = Finisher()
    finisher.finish(solid((0, 0, 0)), noise(), look(smoothing=0.5))
    assert finisher.finish(solid((100, 100, 100)), noise(), look(smoothing=0.5, place=1)).mean() == 100


def test_going_on_is_as_if_it_had_never_stopped() -> None:
    whole, first, second = Finisher(), Finisher(), Finisher()
    images = [noise(seed=seed) for seed in range(4)]
    expected = [whole.finish(image, solid((9, 9, 9)), look(smoothing=0.7)) for image in images]
    for image in images[:2]:
        first.finish(image, solid((9, 9, 9)), look(smoothing=0.7))
    second.go_on(first.smoothed, look(smoothing=0.7))
    found = [second.finish(image, solid((9, 9, 9)), look(smoothing=0.7)) for image in images[2:]]
    assert all(difference(a, b) == 0 for a, b in zip(expected[2:], found, strict=True))
