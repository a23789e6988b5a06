"""Tests that a video made in parts is the video made in one: frames, times, sound, whatever the input is like."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cluster_runs import LocalPool, Told
from fakes import noise
from numpy.typing import NDArray
from video_corpus import VideoKind, make_video, take_apart

from neural_style.weights import SAVED_MODELS
from realtime.cluster import scan
from realtime.cluster.driver import run_cluster
from realtime.cluster.options import ClusterOptions
from realtime.cluster.units import JoinUnit, Outcome, ScanUnit, SegmentUnit, Unit, VideoUnit
from realtime.frame import Image
from realtime.options import EngineOptions, FileOptions
from realtime.videos.job import run_files
from realtime.videos.segments import segment_paths

pytestmark = pytest.mark.skipif(
    not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"
)

ENGINE = EngineOptions("onnx", precision="int8")
CLUSTER = ClusterOptions("auto", segment_s=1.0)
X264 = {"preset": "veryfast", "crf": "12"}
UNEVEN = tuple(place * 512 + (place * 37) % 400 for place in range(90))


@pytest.fixture(scope="module")
def pool() -> LocalPool:
    return LocalPool(1)


def moving(count: int, size_wh: tuple[int, int] = (64, 48), cut_at: int = 47) -> list[Image]:
    """A slow pan with a little noise, and another scene from a frame on."""
    scenes = [noise((size_wh[0] + count, size_wh[1]), seed) for seed in (3, 8)]
    grain = np.random.default_rng(5).integers(-4, 5, (count, size_wh[1], size_wh[0], 3))
    frames = [scenes[place >= cut_at][:, place // 3 : place // 3 + size_wh[0]] for place in range(count)]
    return [np.clip(frame + grain[place], 0, 255).astype(np.uint8) for place, frame in enumerate(frames)]


def options_for(source: Path, target: Path, **more: Any) -> FileOptions:
    return FileOptions((str(source),), str(target), engine=ENGINE, network="fast", **more)


def both_ways(source: Path, pool: LocalPool, suffix: str = ".mkv", **more: Any) -> tuple[Path, Path, Told]:
    """The results of a cluster and of one machine."""
    if suffix == ".mkv":
        more = {"codec": "ffv1", **more}  # loses nothing
    told = Told()
    apart, alone = source.with_name(f"apart{suffix}"), source.with_name(f"alone{suffix}")
    pool.units.clear()
    result = run_cluster(options_for(source, apart, **more), CLUSTER, told, lambda *_: pool)
    assert (result.failed, run_files(options_for(source, alone, **more), Told()).failed) == (0, 0)
    assert [path.name for path in source.parent.iterdir() if path.name.startswith(".")] == []
    return apart, alone, told


def planes(path: Path) -> list[NDArray[np.uint8]]:
    """The frames as they are stored: uint8 (3, H, W), Y, Cb and Cr of FFV1 without subsampling."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(), np.uint8) for frame in container.decode(video=0)]


def check_same(apart: Path, alone: Path) -> None:
    """Frames differ by less than 1/255 before they are rounded, so by at most one level after that."""
    made, expected = take_apart(apart), take_apart(alone)
    assert made.times == expected.times
    assert made.end == expected.end
    assert made.sounds == expected.sounds
    assert made.metadata == expected.metadata
    pairs = zip(planes(apart), planes(alone), strict=True)
    levels = [int(np.abs(a.astype(int) - b).max()) for a, b in pairs]
    assert max(levels) <= 1, levels


CUT = {
    "short groups": VideoKind(options={**X264, "g": "12", "bf": "0"}),
    "frames ahead": VideoKind(options={**X264, "g": "12", "bf": "3"}, sound_s=3.6, sound_offset_s=0.3),
    "open groups": VideoKind(options={**X264, "x264-params": "open-gop=1:keyint=12:bframes=3"}),
    "HEVC, open groups": VideoKind(
        ".mkv", "libx265", options={"preset": "fast", "x265-params": "keyint=12:open-gop=1:log-level=none"},
        time_base=Fraction(1, 1000),
    ),
    "uneven times": VideoKind(options={**X264, "g": "15"}, times=UNEVEN),
    "transport stream": VideoKind(".ts", options={**X264, "g": "12", "bf": "2"}, sound_s=3.6),
    "VP9": VideoKind(".webm", "libvpx-vp9", options={"g": "12", "deadline": "realtime"}, time_base=Fraction(1, 1000)),
    "MPEG-4 in AVI": VideoKind(".avi", "mpeg4", options={"g": "12", "bf": "0"}, time_base=Fraction(1, 25)),
    "refreshed in stripes": VideoKind(options={**X264, "x264-params": "intra-refresh=1:keyint=24:bframes=0"}),
    "turned": VideoKind(options={**X264, "g": "12"}, rotation=90),
}  # fmt: skip
UNCUT = {
    "one key image": VideoKind(options={**X264, "g": "9999", "sc_threshold": "0"}),
    "MPEG-2": VideoKind(".mpg", "mpeg2video", options={"g": "12", "bf": "2"}, time_base=Fraction(1, 25)),
}


@pytest.mark.parametrize("kind", [*CUT.values(), *UNCUT.values()], ids=[*CUT, *UNCUT])
def test_a_video_in_parts_is_the_video_in_one(kind: VideoKind, pool: LocalPool, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", replace(kind, count=90), moving(90))
    apart, alone, _ = both_ways(source, pool)
    check_same(apart, alone)
    parts = sum(isinstance(unit, SegmentUnit) for unit in pool.units)
    assert parts in ((2, 3) if kind in CUT.values() else (0,))


def test_a_part_of_a_video_in_two_styles(pool: LocalPool, tmp_path: Path) -> None:
    kind = VideoKind(options={**X264, "g": "12", "bf": "2"}, count=90, sound_s=3.6)
    source = make_video(tmp_path / "in", kind, moving(90))
    both_ways(source, pool, styles="candy,udnie", start_s=0.5, end_s=3.2, smoothing=0.8, stroke=1.5)
    for style in ("candy", "udnie"):
        check_same(tmp_path / f"apart_{style}.mkv", tmp_path / f"alone_{style}.mkv")
    assert sum(isinstance(unit, SegmentUnit) for unit in pool.units) == 2


def test_what_is_not_cut_comes_out_the_same(pool: LocalPool, tmp_path: Path) -> None:
    kind = VideoKind(options={**X264, "g": "12"}, count=60)
    source = make_video(tmp_path / "in", kind, moving(60))
    apart, alone, _ = both_ways(source, pool, ".gif")
    assert apart.read_bytes() == alone.read_bytes()
    assert [type(unit) for unit in pool.units] == [ScanUnit, VideoUnit]


def test_a_clock_that_starts_again_is_one_piece(pool: LocalPool, tmp_path: Path) -> None:
    part = make_video(tmp_path / "part", VideoKind(".ts", options={**X264, "g": "12"}, count=40), moving(40))
    source = tmp_path / "in.ts"
    source.write_bytes(part.read_bytes() * 2)
    part.unlink()
    apart, alone, told = both_ways(source, pool)
    check_same(apart, alone)
    assert "its clock starts again: times go on rising" in told.lines()


def test_a_damaged_video_comes_out_as_on_one_machine(pool: LocalPool, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(options={**X264, "g": "12"}, count=90), moving(90))
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    source.write_bytes(content)
    apart, alone, told = both_ways(source, pool)
    check_same(apart, alone)
    assert [unit for unit in pool.units if isinstance(unit, VideoUnit)], "made in one after all"
    assert next(facts for kind, _, facts in told.events if kind == "done")["lost_any"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_video(tmp_path / "in", VideoKind(options={**X264, "g": "12"}, count=90), moving(90))


def test_smoothing_that_differs_where_parts_meet_is_made_again(
    source: Path, pool: LocalPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "frames_remembered", lambda _: 1)
    apart, alone, _ = both_ways(source, pool, smoothing=1.0)
    check_same(apart, alone)
    again = [unit.part.number for unit in pool.units if isinstance(unit, SegmentUnit) and unit.goes_on]
    assert again == [1, 2], "each goes on with what the one before remembered"


def damaged(piece: Path, record: Path) -> None:
    piece.write_bytes(piece.read_bytes()[:-50])


def of_other_frames(piece: Path, record: Path) -> None:
    record.write_text(record.read_text(encoding="utf-8").replace('"before": "', '"before": "0'), encoding="utf-8")


@pytest.mark.parametrize(("spoil", "then"), [(damaged, SegmentUnit), (of_other_frames, VideoUnit)])
def test_a_piece_that_does_not_fit_is_made_again(spoil: Any, then: type[Unit], source: Path) -> None:
    spoilt: list[int] = []

    def before(unit: Unit) -> Outcome | None:
        if isinstance(unit, JoinUnit) and not spoilt:
            spoilt.append(len(workers.units))
            spoil(*segment_paths(Path(unit.folder) / "0", 1))
        return None

    workers = LocalPool(1, before)
    apart, alone, _ = both_ways(source, workers)
    check_same(apart, alone)
    assert isinstance(workers.units[spoilt[0]], then)
