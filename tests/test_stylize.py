import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import difference, noise
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor
from video_corpus import VideoKind, make_video, take_apart

import stylize
from neural_style.networks import tiles
from neural_style.networks.fast_net import FastNet
from realtime.style_catalogue import load_catalogue
from realtime.videos.resume import kept_path
from realtime.videos.segments import finished_segments

ROOT = Path(__file__).parent.parent
FAST = ["--engine", "onnx"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Pillow.fromarray(noise((96, 80))).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def image(path: Path) -> NDArray[np.uint8]:
    with Pillow.open(path) as opened:
        return np.array(opened, np.uint8)


def run(*arguments: str | Path) -> int:
    return stylize.main([*FAST, *map(str, arguments)])


def test_a_image_becomes_a_stylized(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photo, "-o", photo.with_name("out.png")) == 0
    stylized = image(photo.with_name("out.png"))
    assert stylized.shape == (80, 96, 3)
    assert difference(stylized, noise((96, 80))) > 10
    assert "wrote" in capsys.readouterr().out


def test_strength_0_is_the_image(photo: Path) -> None:
    assert run(photo, "-o", photo.with_name("out.png"), "--strength", "0") == 0
    assert difference(image(photo.with_name("out.png")), noise((96, 80))) < 1


def test_one_file_for_each_style(photo: Path) -> None:
    assert run(photo, "-o", photo.with_name("out.jpg"), "--style", "candy,udnie") == 0
    assert photo.with_name("out_candy.jpg").is_file()
    assert photo.with_name("out_udnie.jpg").is_file()


@pytest.mark.slow
def test_a_sheet_of_a_large_image_shows_the_strokes_of_the_whole_image(tmp_path: Path) -> None:
    Pillow.fromarray(noise((2400, 1800))).save(tmp_path / "a.png")
    wish = ("--style", "candy", "--network", "fast")
    assert run(tmp_path / "a.png", "-o", tmp_path / "candy.png", *wish) == 0
    assert run(tmp_path / "a.png", "-o", tmp_path / "sheet.png", "--sheet", *wish) == 0
    shown = image(tmp_path / "sheet.png")[22 : 22 + 187, 256 + 3 : 256 + 3 + 250]
    whole = np.asarray(cv2.resize(image(tmp_path / "candy.png"), (250, 188), interpolation=cv2.INTER_AREA), np.uint8)
    assert difference(shown, whole[:187]) < 9 < difference(shown, noise((250, 188))[:187])


def test_a_sheet_shows_all_styles(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photo, "-o", photo.with_name("sheet.png"), "--sheet") == 0
    rows = -(-(1 + len(load_catalogue())) // 5)
    assert image(photo.with_name("sheet.png")).shape == (rows * 224, 5 * 256, 3)
    assert f"sheet.png: {5 * 256}x{rows * 224}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("empty.jpg", [], "empty.jpg: is empty"),
        ("text.mp4", [], "text.mp4: cannot be read"),
        ("photo.png", ["--codec", "hevc"], "codec: is of videos, and all inputs are images; leave --codec out"),
        ("photo.png", ["--start", "3"], "start: is of videos"),
        ("photo.png", ["--resume"], "resume: is of videos"),
    ],
)
def test_what_cannot_be_done_is_said_before_an_engine_is_opened(
    photo: Path,
    name: str,
    more: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("realtime.videos.job.open_engine", lambda *_: pytest.fail("opened an engine"))
    folder = photo.parent
    (folder / "empty.jpg").touch()
    (folder / "text.mp4").write_text("words", encoding="utf-8")
    photo.rename(folder / "photo.png")
    out = folder / "out" / ("a.mp4" if name.endswith("mp4") else "a.png")
    assert run(folder / name, "-o", out, *more) == 1
    assert said in capsys.readouterr().err
    assert not out.parent.exists()


def test_the_longer_side_is_limited(photo: Path) -> None:
    assert run(photo, "-o", photo.with_name("out.png"), "--max-side", "48") == 0
    assert image(photo.with_name("out.png")).shape == (40, 48, 3)


@pytest.mark.slow
def test_parts_give_the_same_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "LEAST_TILE_PX", 128)
    Pillow.fromarray(noise((500, 350))).save(tmp_path / "a.png")
    torch_fast = ("--engine", "torch", "--network", "fast")
    for name, extra in (("whole", []), ("parts", ["--tile", "128"])):
        assert stylize.main([str(tmp_path / "a.png"), "-o", str(tmp_path / f"{name}.png"), *torch_fast, *extra]) == 0
    whole, parts = (image(tmp_path / f"{name}.png").astype(int) for name in ("whole", "parts"))
    assert np.abs(whole - parts).max() <= 1


def test_small_parts_are_made_larger_and_cost_no_more_than_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Pillow.fromarray(noise((1400, 900))).save(tmp_path / "a.png")
    seen: list[bool] = []

    def forward(_: FastNet, images: Tensor, __: Tensor) -> Tensor:
        seen.append(True)
        return images

    monkeypatch.setattr(FastNet, "forward", forward)
    options = ("--engine", "torch", "--tile", "512")
    assert stylize.main([str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), *options]) == 0
    assert seen == [True], "one pass"
    assert "tile 512: parts of 1024 px are taken; smaller ones cost more than twice the time" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["-", "-o", "b.png"], ["-", "-o", "b.mkv"], ["{photo}", "-o", "-"]])
def test_a_stream_that_the_shell_closed_is_one_line(
    arguments: list[str], photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    monkeypatch.setattr(sys, "stdin" if arguments[0] == "-" else "stdout", None)
    assert run(*(argument.replace("{photo}", str(photo)) for argument in arguments)) == 1
    assert "is closed; pipe" in capsys.readouterr().err
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


@pytest.mark.slow
def test_strokes_grow_with_the_image_and_the_choice(tmp_path: Path) -> None:
    Pillow.fromarray(noise((1300, 1000))).save(tmp_path / "a.png")
    names = {"small": ("--stroke", "0.5"), "plain": (), "large": ("--stroke", "3")}
    for name, extra in names.items():
        assert run(tmp_path / "a.png", "-o", tmp_path / f"{name}.png", "--network", "fast", *extra) == 0
    images = [image(tmp_path / f"{name}.png") for name in names]
    assert {each.shape for each in images} == {(1000, 1300, 3)}
    detail = [_fine_detail(each) for each in images]
    assert detail[0] > 1.03 * detail[1] > 1.06 * detail[2]


def _fine_detail(pixels: NDArray[np.uint8]) -> float:
    """Mean absolute difference of pixels five apart: the smaller the strokes, the larger."""
    return float(np.abs(pixels[:, 5:].astype(int) - pixels[:, :-5]).mean())


@pytest.mark.slow
def test_stroke_goes_with_all_other_options_of_images(tmp_path: Path) -> None:
    alpha = np.tile(np.linspace(0, 255, 1300).astype(np.uint8), (1000, 1))
    original = noise((1300, 1000))
    Pillow.fromarray(np.dstack([original, alpha])).save(tmp_path / "a.png")
    options = ("--stroke", "2", "--strength", "0.5", "--keep-colors", "--max-side", "1200", "--tile", "256")
    assert stylize.main([str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--engine", "torch", *options]) == 0
    stylized = image(tmp_path / "b.png")
    assert stylized.shape == (923, 1200, 4)
    assert np.abs(stylized[..., 3].astype(int)[0] - np.linspace(0, 255, 1200)).max() < 3
    shrunk = cv2.resize(original, (1200, 923), interpolation=cv2.INTER_AREA)
    both = np.ascontiguousarray(stylized[..., :3]), shrunk
    colours = [np.asarray(cv2.cvtColor(each, cv2.COLOR_RGB2YCrCb), np.uint8) for each in both]
    assert difference(colours[0][..., 1:], colours[1][..., 1:]) < 6
    assert difference(colours[0][..., 0], colours[1][..., 0]) > 3


@pytest.mark.slow
def test_strokes_of_videos_are_of_pixels_and_can_be_larger(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(size_wh=(160, 120)))
    for name, extra in (("plain", []), ("one", ["--stroke", "1"]), ("large", ["--stroke", "3"])):
        assert run(source, "-o", tmp_path / f"{name}.mkv", "--codec", "ffv1", *extra) == 0
    plain, one, large = (take_apart(tmp_path / f"{name}.mkv").images[0] for name in ("plain", "one", "large"))
    assert np.array_equal(plain, one)
    assert plain.shape == large.shape
    assert _fine_detail(large) < 0.9 * _fine_detail(plain)


def test_standard_input_to_standard_output(photo: Path) -> None:
    command = [sys.executable, str(ROOT / "stylize.py"), "-", "-o", "-", *FAST]
    done = subprocess.run(command, input=photo.read_bytes(), capture_output=True, check=True)
    with Pillow.open(io.BytesIO(done.stdout)) as opened:
        assert opened.size == (96, 80)
    assert b"wrote standard output" in done.stderr


def test_a_video_keeps_its_times_and_sound(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(sound_s=0.5))
    assert run(source, "-o", tmp_path / "out.mp4", "--stats", tmp_path / "stats.json") == 0
    before, after = take_apart(source), take_apart(tmp_path / "out.mp4")
    assert (after.times, after.sounds) == (before.times, before.sounds)
    (stats,) = json.loads((tmp_path / "stats.json").read_text())
    assert stats["frames_out"] == 8
    assert {"decode", "engine", "postprocess", "encode"} <= stats["stage_ms"].keys()


@pytest.mark.slow
def test_an_encoder_does_not_talk_in_between(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind())
    command = [sys.executable, str(ROOT / "stylize.py"), str(source), "-o", str(tmp_path / "out.mp4")]
    done = subprocess.run([*command, "--codec", "av1", *FAST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_scripts_are_told_in_lines_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_video(tmp_path / "in", VideoKind())
    assert run(source, "-o", tmp_path / "out.mp4", "--json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("begin", "done")
    assert (events[-1]["frames"], events[-1]["lost"], events[-1]["targets"]) == (8, 0, [str(tmp_path / "out.mp4")])


def test_a_damaged_video_has_its_own_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = VideoKind(".mkv", count=60, options={"preset": "veryfast", "g": "10"}, size_wh=(160, 120))
    source = make_video(tmp_path / "in", kind)
    source.write_bytes(source.read_bytes()[:-9000])
    assert run(source, "-o", tmp_path / "out.mkv") == stylize.EXIT_DAMAGED
    assert "lost" in capsys.readouterr().out


def test_one_failure_does_not_stop_the_others(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photo.parent / "many"
    folder.mkdir()
    (folder / "a.png").write_text("no image")
    photo.rename(folder / "b.png")
    assert run(folder, "-o", folder.parent / "out") == 1
    assert [path.name for path in (folder.parent / "out").iterdir()] == ["b.png"]
    error = capsys.readouterr().err
    assert "a.png" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        (["gone.png", "-o", "b.png"], "no such file", 1),
        (["{photo}", "-o", "{photo}"], "is the input itself", 1),
        (["{photo}", "-o", "b.png", "--style", "cadny"], "did you mean candy", 1),
        (["{photo}", "-o", "b.png", "--style", ""], "style '': a name is missing", 1),
        (["{photo}", "-o", "b.png", "--start", "x"], "time 'x'", 2),
        (["{photo}", "-o", "b.png", "--start", "5", "--end", "4"], "end must be later", 2),
        (["{photo}", "-o", "b.png", "--stroke", "0.4"], "stroke 0.4: must be 0.5 to 4", 2),
        (["{photo}", "-o", "b.png", "--stroke", "nan"], "stroke nan: must be 0.5 to 4", 2),
        (["{photo}", "-o", "b.png", "--tile", "256"], "not with engine onnx", 1),
        (["{photo}", "-o", "/dev/full"], "must end in", 2),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str],
    said: str,
    status: int,
    photo: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(photo.parent)
    assert run(*(argument.replace("{photo}", str(photo)) for argument in arguments)) == status
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.png"]


@contextmanager
def _started(source: Path, target: Path, *extra: str) -> Iterator["subprocess.Popen[str]"]:
    """The command in a process of its own, with pieces of few images and an engine that takes its time."""
    program = (
        "import sys, time, realtime.videos.stylize_video as video, realtime.videos.video_output as output, "
        "realtime.videos.job as run, stylize\n"
        "sys.path.insert(0, 'tests')\nfrom fakes import SlowEngine\n"
        "video.SEGMENT_FRAMES = output.SEGMENT_FRAMES = run.SEGMENT_FRAMES = 10\n"
        "run.open_engine = lambda *rest: SlowEngine(0.02)\n"
        "sys.exit(stylize.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, str(source), "-o", str(target), *extra]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _run_to_the_end(source: Path, target: Path, *extra: str) -> tuple[int, str]:
    with _started(source, target, *extra) as process:
        errors = process.communicate(timeout=60)[1]
        return process.returncode, errors


def _interrupted(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    return process.returncode, errors


def _wait_for_pieces(folder: Path, count: int) -> None:
    deadline_s = time.perf_counter() + 60
    while len(list(folder.glob("*.json"))) <= count:  # job.json is there, too
        assert time.perf_counter() < deadline_s
        time.sleep(0.01)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A video and what it becomes."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    source = make_video(folder / "in", VideoKind(count=60, sound_s=1.0))
    assert _run_to_the_end(source, folder / "whole.mp4", "--resume") == (0, "")
    return source, folder / "whole.mp4"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_video_is_completed_by_the_same_command(
    number: signal.Signals, uninterrupted: tuple[Path, Path], tmp_path: Path
) -> None:
    source, whole = uninterrupted
    parted = tmp_path / "parted.mp4"
    with _started(source, parted, "--resume") as process:
        _wait_for_pieces(kept_path(parted), 2)
        assert _interrupted(process, number)[0] == (130 if number is not signal.SIGKILL else -number)
    assert not parted.exists()
    assert kept_path(parted).is_dir()
    with _started(source, parted, "--resume") as process:
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert "going on after" in said
    assert f"wrote {parted}: 60 frames" in said
    assert not kept_path(parted).exists()
    one, other = take_apart(whole), take_apart(parted)
    assert one.times == other.times == take_apart(source).times
    assert one.sounds == other.sounds
    assert all(np.array_equal(a, b) for a, b in zip(one.images, other.images, strict=True))


@pytest.mark.slow
def test_an_interrupt_without_resume_leaves_nothing(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=60))
    with _started(source, tmp_path / "out.mp4") as process:
        deadline_s = time.perf_counter() + 60
        while not list(tmp_path.glob(".out.mp4.*/*.nut")) and time.perf_counter() < deadline_s:
            time.sleep(0.01)
        assert _interrupted(process, signal.SIGINT) == (130, "interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.slow
def test_work_of_other_options_is_not_gone_on_with(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=60))
    with _started(source, tmp_path / "out.mp4", "--resume") as process:
        _wait_for_pieces(kept_path(tmp_path / "out.mp4"), 1)
        assert _interrupted(process, signal.SIGINT)[0] == 130
    status, errors = _run_to_the_end(source, tmp_path / "out.mp4", "--resume", "--strength", "0.5")
    assert status == 1
    assert "was begun with another strength" in errors


def test_a_full_disk_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_video(tmp_path / "in", VideoKind())
    usage = os.statvfs(tmp_path)
    assert usage.f_bavail > 0
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("U", (), {"free": 1000})())
    assert run(source, "-o", tmp_path / "out.mp4") == 1
    assert "make room" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{photo}", "-o", "b.png", "--stats", "{photo}"], "photo.png: is an input of this run"),
        (["{photo}", "-o", "b.png", "--stats", "{photo}", "--overwrite"], "photo.png: is an input of this run"),
        (["{photo}", "-o", "b.png", "--stats", "b.png"], "stats b.png: is another output of this run"),
        (["{photo}", "-o", "b.png", "--stats", "kept.json"], "stats kept.json: is there already; use --overwrite"),
        (["{photo}", "-o", "b.png", "--stats", "none/s.json"], "there is no folder none"),
    ],
)
def test_no_file_is_written_over_unasked(
    arguments: list[str], said: str, photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    Path("kept.json").write_text("of yesterday")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert run(*(argument.replace("{photo}", str(photo)) for argument in arguments)) == 1
    assert said in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_another_input_is_not_written_over_either(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = photo.with_name("photo_candy.png")
    other.write_bytes(photo.read_bytes())
    wish = ("--style", "candy,udnie", "--overwrite")
    assert run(photo, other, "-o", photo.parent, *wish) == 1
    assert f"photo_candy.png: is the input {other}" in capsys.readouterr().err
    assert other.read_bytes() == photo.read_bytes()


@pytest.mark.slow
def test_of_two_runs_with_one_output_the_second_says_who_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=60))
    with _started(source, tmp_path / "out.mp4", "--resume") as process:
        _wait_for_pieces(kept_path(tmp_path / "out.mp4"), 1)
        assert run(source, "-o", tmp_path / "out.mp4", "--resume") == 1  # here, for a process starts too late
        assert f"out.mp4: process {process.pid} is writing it; wait until that ends" in capsys.readouterr().err
        assert process.wait(60) == 0
    assert len(take_apart(tmp_path / "out.mp4").times) == 60


@pytest.mark.slow
def test_a_piece_that_was_damaged_is_done_again(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in", VideoKind(count=60))
    folder = kept_path(tmp_path / "out.mp4")
    with _started(source, tmp_path / "out.mp4", "--resume") as process:
        _wait_for_pieces(folder, 3)
        assert _interrupted(process, signal.SIGINT)[0] == 130
    for name in ("00001.json", "00001.nut"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
        assert len(finished_segments(folder)) == 1, "what comes before it is kept"
        if name != "00001.nut":
            (folder / name).write_bytes(content)
    assert _run_to_the_end(source, tmp_path / "out.mp4", "--resume") == (0, "")
    assert take_apart(tmp_path / "out.mp4").times == take_apart(source).times
