"""Tests of a run over many inputs: faults, failures, the manifest, addresses; with workers in this process."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from cluster_runs import LocalPool, Told
from fakes import noise
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video, take_apart

from neural_style.weights import SAVED_MODELS
from realtime.cluster.driver import run_cluster
from realtime.cluster.options import ClusterOptions
from realtime.cluster.units import ImagesUnit, JoinUnit, Outcome, SegmentUnit, Unit
from realtime.errors import EngineError, OptionError
from realtime.options import EngineOptions, FileOptions
from realtime.videos.job import RunResult

pytestmark = pytest.mark.skipif(
    not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"
)

ENGINE = EngineOptions("onnx", precision="int8")
CLUSTER = ClusterOptions("auto", segment_s=1.0)
KIND = VideoKind(options={"preset": "ultrafast", "g": "25"}, count=75, size_wh=(48, 32), sound_s=3.0)


def run(pool: LocalPool, told: Told, *inputs: str | Path, output: str | Path, **more: Any) -> RunResult:
    usual: dict[str, Any] = {"engine": ENGINE, "network": "fast"}
    options = FileOptions(tuple(map(str, inputs)), str(output), **(usual | more))
    return run_cluster(options, CLUSTER, told, lambda *_: pool)


def no_pool(*_: object) -> LocalPool:
    raise AssertionError("nothing is to be done")


def count_of(pool: LocalPool, kind: type[Unit]) -> int:
    return sum(isinstance(unit, kind) for unit in pool.units)


def entries(manifest: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    return {Path(line["input"]).name: line for line in lines}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A video, images and what is neither."""
    (tmp_path / "in").mkdir()
    make_video(tmp_path / "in" / "a", KIND)
    for number in range(10):
        Pillow.fromarray(noise((40, 30), number)).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "broken.mp4").write_bytes(b"no video at all")
    (tmp_path / "in" / "broken.png").write_bytes(b"no image at all")
    return tmp_path


def test_what_is_damaged_fails_alone_and_the_manifest_says_all(folder: Path) -> None:
    pool, told = LocalPool(), Told()
    assert run(pool, told, folder / "in", output=folder / "out") == RunResult(failed=2, damaged=0)
    failures = next(facts["failures"] for kind, _, facts in told.events if kind == "failures")
    assert sorted(Path(failure["source"]).name for failure in failures) == ["broken.mp4", "broken.png"]
    assert all(failure["text"].count("\n") == 0 and failure["source"] in failure["text"] for failure in failures)
    begun = {Path(source).name: facts["targets"] for kind, source, facts in told.events if kind == "begin"}
    assert len(begun) == 13
    assert begun["a.mp4"] == [str(folder / "out" / "a.mp4")]
    assert take_apart(folder / "out" / "a.mp4").images
    assert len(list((folder / "out").iterdir())) == 12
    known = entries(folder / "out" / "manifest.jsonl")
    assert len(known) == 13
    assert (known["a.mp4"]["status"], known["broken.mp4"]["status"]) == ("done", "failed")
    assert known["a.mp4"]["facts"]["frames"] == 75
    assert known["a.mp4"]["facts"]["segments"] == 3
    assert [len(unit.images) for unit in pool.units if isinstance(unit, ImagesUnit)] in ([8, 3], [3, 8])


def test_the_same_command_does_only_what_is_missing(folder: Path) -> None:
    told = Told()
    run(LocalPool(), told, folder / "in", output=folder / "out")
    for name in ("broken.mp4", "broken.png"):
        (folder / "in" / name).unlink()
    options = FileOptions((str(folder / "in"),), str(folder / "out"), engine=ENGINE, network="fast")
    assert run_cluster(options, CLUSTER, told, no_pool) == RunResult(0, 0)
    with pytest.raises(OptionError, match="made with other settings or of another input; use --overwrite"):
        run_cluster(replace(options, styles="udnie"), CLUSTER, told, no_pool)
    assert (
        run_cluster(replace(options, styles="udnie", overwrite=True), CLUSTER, told, lambda *_: LocalPool()).failed == 0
    )


def test_what_another_made_is_not_replaced(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a.mp4").write_bytes(b"mine")
    with pytest.raises(OptionError, match=r"a\.mp4: is there already; use --overwrite"):
        run(LocalPool(), Told(), folder / "in" / "a.mp4", output=f"{folder}/out/")
    (folder / "out" / "a.mp4").unlink()

    def before(unit: Unit) -> Outcome | None:
        if isinstance(unit, JoinUnit):
            (folder / "out" / "a.mp4").write_bytes(b"mine")
        return None

    told = Told()
    assert run(LocalPool(1, before), told, folder / "in" / "a.mp4", output=f"{folder}/out/").failed == 1
    assert "another program made it during the run, and it stays" in told.lines("error")[0]
    assert (folder / "out" / "a.mp4").read_bytes() == b"mine"


def test_a_run_that_was_stopped_goes_on_from_its_whole_segments(folder: Path) -> None:
    def stop(unit: Unit) -> Outcome | None:
        if len([one for one in pool.units if isinstance(one, SegmentUnit)]) == 3:
            raise KeyboardInterrupt
        return None

    pool = LocalPool(1, stop)
    video, output = folder / "in" / "a.mp4", folder / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        run(pool, Told(), video, output=output)
    assert not output.exists()
    again = LocalPool()
    assert run(again, Told(), video, output=output) == RunResult(0, 0)
    assert count_of(again, SegmentUnit) == 1
    assert len(take_apart(output).images) == 75
    assert sorted(path.name for path in folder.iterdir()) == ["in", "out.mp4", "out.mp4.manifest.jsonl"]


def test_a_result_that_was_whole_gets_its_name_in_the_next_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    video, output = folder / "in" / "a.mp4", folder / "out.mp4"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("realtime.cluster.storage._Local.place", stopped)
        run(LocalPool(), Told(), video, output=output)
    assert not output.exists()
    assert run_cluster(
        FileOptions((str(video),), str(output), engine=ENGINE, network="fast"), CLUSTER, Told(), no_pool
    ) == RunResult(0, 0)
    assert len(take_apart(output).images) == 75


@pytest.mark.parametrize(("faults", "failed"), [(4, 0), (5, 1)])
def test_a_segment_is_done_again_unless_it_is_the_cause(faults: int, failed: int, folder: Path) -> None:
    happened: list[int] = []

    def before(unit: Unit) -> Outcome | None:
        if isinstance(unit, SegmentUnit) and unit.part.number == 1 and len(happened) < faults:
            happened.append(1)
            return Outcome("fault", "its worker ended (killed)")
        return None

    told, pool = Told(), LocalPool(2, before)
    assert run(pool, told, folder / "in" / "a.mp4", folder / "in" / "0.png", output=folder / "out").failed == failed
    assert (folder / "out" / "0.png").is_file()
    assert (folder / "out" / "a.mp4").is_file() == (not failed)
    if failed:
        assert told.lines("error") == ["its worker ended (killed), 5 times; it may be the cause"]


def test_an_image_that_ends_workers_fails_alone(folder: Path) -> None:
    (folder / "in" / "broken.mp4").unlink()
    (folder / "in" / "broken.png").unlink()

    def before(unit: Unit) -> Outcome | None:
        ends = isinstance(unit, ImagesUnit) and any(Path(source).name == "3.png" for source, _ in unit.images)
        return Outcome("fault", "its worker ended (killed)") if ends else None

    told = Told()
    assert run(LocalPool(1, before), told, folder / "in", output=folder / "out").failed == 1
    assert told.lines("error") == ["its worker ended (killed), 5 times; it may be the cause"]
    assert len(list((folder / "out").glob("*.png"))) == 9


def test_a_worker_that_can_do_nothing_does_not_count_against_its_unit(folder: Path) -> None:
    happened: list[int] = []

    def before(unit: Unit) -> Outcome | None:
        happened.append(1)
        return Outcome("unfit", "its GPU is gone") if len(happened) in range(3, 12) else None

    assert run(LocalPool(1, before), Told(), folder / "in" / "a.mp4", output=folder / "out.mp4").failed == 0


def test_an_input_that_a_worker_does_not_see_ends_the_run_before_any_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = LocalPool()
    monkeypatch.setattr(pool._workers[1], "unseen", lambda *_: "worker on far: input x: cannot be read")
    with pytest.raises(EngineError, match="worker on far: input x"):
        run(pool, Told(), folder / "in", output=folder / "out")
    assert pool.units == []


def test_addresses_are_read_and_written(folder: Path) -> None:
    files = fsspec.filesystem("memory")
    for path in (folder / "in").iterdir():
        files.pipe_file(f"/festival/in/{path.name}", path.read_bytes())
    told = Told()
    pool = LocalPool(1)
    assert run(pool, told, "memory://festival/in", output="memory://festival/out/").failed == 2
    assert count_of(pool, SegmentUnit) == 3
    names = sorted(name.rpartition("/")[2] for name in files.find("/festival/out"))
    assert names == [*(f"{number}.png" for number in range(10)), "a.mp4", "manifest.jsonl"]
    files.get_file("/festival/out/a.mp4", str(folder / "a.mp4"))
    made, expected = take_apart(folder / "a.mp4"), take_apart(folder / "in" / "a.mp4")
    assert (made.times, made.sounds) == (expected.times, expected.sounds)
    with Pillow.open(files.open("/festival/out/0.png")) as image:
        assert np.array(image).shape == (30, 40, 3)
    assert run(LocalPool(1), told, "memory://festival/in/a.mp4", output="memory://festival/out/").failed == 0
    files.rm("/festival", recursive=True)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"watch": True}, "watch: not with --ray"),
        ({"resume": True}, "resume: not with --ray; --ray always goes on"),
        ({"engine": EngineOptions("onnx", "cuda:1")}, "device cuda:1: with --ray each worker is given its GPU"),
        ({"report": True}, "report: not with --ray; the manifest"),
        ({"output": "-"}, "standard input and output are this machine's"),
        ({"output": "out/%05d.png"}, "numbered images are written by one machine"),
    ],
)
def test_what_one_machine_alone_can_do_is_said(more: dict[str, Any], line: str, folder: Path) -> None:
    source = folder / "in" if more.get("watch") else folder / "in" / "a.mp4"
    with pytest.raises(OptionError, match=line):
        run(LocalPool(), Told(), source, **({"output": folder / "out"} | more))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"workers": 0}, "workers 0: must be at least 1"),
        ({"cpus_per_worker": 0}, "cpus-per-worker 0: must be at least 1"),
        ({"gpus_per_worker": 1.5}, "gpus-per-worker 1.5: must be 0 to 1, or a whole number"),
        ({"address": "nowhere"}, "ray 'nowhere': must be auto, or a cluster as HOST:PORT"),
    ],
)
def test_wrong_numbers_are_said(more: dict[str, Any], line: str) -> None:
    with pytest.raises(OptionError, match=line):
        ClusterOptions(**({"address": "auto"} | more))
