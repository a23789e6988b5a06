"""Tests of simulated clusters against what can be computed by hand."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from speed.cluster_plot import draw_scaling
from speed.cluster_simulation import Costs, Mix, limit_of, mixes, simulate

FREE = Costs(0.1, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e18)
EVEN = Mix("even", (1000,) * 4, 100)


def test_without_costs_workers_share_evenly() -> None:
    assert simulate(EVEN, FREE, 1).wall_s == pytest.approx(400.0)
    assert simulate(EVEN, FREE, 8).efficiency == pytest.approx(1.0)
    assert simulate(EVEN, FREE, 1000).wall_s == pytest.approx(10.0), "a segment is the least"


def test_each_cost_is_counted() -> None:
    assert simulate(EVEN, replace(FREE, run_in=10), 1).wall_s == pytest.approx(400 + 36 * 1.0), "but for the first ones"
    assert simulate(EVEN, replace(FREE, start_s=7.0), 8).wall_s == pytest.approx(57.0)
    units = 4 + 40 + 4
    assert simulate(EVEN, replace(FREE, unit_s=1.0), 1).wall_s == pytest.approx(400 + units)
    assert simulate(EVEN, replace(FREE, join_frame_s=0.01), 4).wall_s == pytest.approx(120.0), (
        "the last is joined at the end"
    )
    bytes_read = replace(FREE, read_bytes=1.0, storage_bytes_s=1.0)  # scanned, stylized, and read for its sound
    assert simulate(EVEN, replace(bytes_read, frame_s=0.0), 50).wall_s == pytest.approx(3 * 4000.0)


def test_what_cannot_be_cut_is_one_unit() -> None:
    mix = Mix("uncut", (-1000, 1000), 100)
    assert simulate(mix, FREE, 50).wall_s == pytest.approx(100.0)
    assert mix.segments_of(120) == [120]
    assert mix.segments_of(240) == [100, 140]
    assert mix.segments_of(260) == [100, 100, 60]


@pytest.mark.parametrize(
    ("costs", "limit"),
    [
        (FREE, "segments"),
        (replace(FREE, unit_s=5.0), "hand-out"),
        (replace(FREE, read_bytes=1.0, storage_bytes_s=10.0), "storage"),
        (replace(FREE, start_s=100.0), "start"),
        (replace(FREE, join_frame_s=1.0), "joining"),
    ],
)
def test_what_breaks_first_is_named(costs: Costs, limit: str) -> None:
    assert limit_of(EVEN, costs, 64) == limit


def test_mixes_are_drawn(tmp_path: Path) -> None:
    draw = random.Random(1)
    made = mixes(12.0, 25.0, [draw.random() for _ in range(2000)])
    assert [len(mix.videos) for mix in made] == [1, 100, 2000, 300]
    assert made[0].frames == 180_000
    draw_scaling({"one": [simulate(made[0], FREE, workers) for workers in (1, 10)]}, "title", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
