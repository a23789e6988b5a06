import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import difference, noise
from PIL import Image as Pillow
from video_corpus import VideoKind, make_video, take_apart

import stylize
from realtime import StylizationError, Stylizer
from realtime.errors import EngineError, FrameError, OptionError, StyleError
from realtime.style_catalogue import load_catalogue

ROOT = Path(__file__).parents[2]
SMALL = noise((64, 48))


@pytest.fixture(scope="module")
def stylizer() -> Iterator[Stylizer]:
    with Stylizer("candy", engine="onnx", network="fast") as opened:
        yield opened


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        pytest.param({}, [], marks=pytest.mark.slow),  # the fine network
        (
            {"stroke": 2.0, "strength": 0.7, "network": "fast"},
            ["--stroke", "2", "--strength", "0.7", "--network", "fast"],
        ),
        ({"keep_colors": True, "network": "fast"}, ["--keep-colors", "--network", "fast"]),
    ],
)
def test_an_image_is_what_the_command_makes_of_it(
    options: dict[str, Any], arguments: list[str], tmp_path: Path
) -> None:
    image = noise((1240, 1000))  # above a megapixel: stylized smaller, and brought back
    Pillow.fromarray(image).save(tmp_path / "in.png")
    files = [str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png")]
    assert stylize.main([*files, "--style", "udnie", "--engine", "onnx", *arguments]) == 0
    with Stylizer("udnie", engine="onnx", **options) as stylizer, Pillow.open(tmp_path / "out.png") as opened:
        assert np.array_equal(stylizer(image), np.array(opened))


def test_a_batch_is_its_images(stylizer: Stylizer) -> None:
    images = np.stack([SMALL, noise((64, 48), seed=1)])
    stylized = stylizer.batch(images)
    assert stylized.dtype == np.uint8
    assert stylized.shape == images.shape
    for one, image in zip(stylized, images, strict=True):
        assert difference(one, stylizer(image)) < 0.5
        assert difference(one, image) > 10


def test_styles_and_blends_can_be_switched_between(stylizer: Stylizer) -> None:
    assert stylizer.styles == load_catalogue().names
    udnie = stylizer(SMALL, "udnie")
    with Stylizer("udnie", engine="onnx", network="fast") as other:
        assert np.array_equal(udnie, other(SMALL))
    assert difference(udnie, stylizer(SMALL)) > 5
    assert difference(stylizer(SMALL, "udnie+candy"), udnie) > 1


def test_it_says_what_really_runs(stylizer: Stylizer) -> None:
    assert (stylizer.info.engine, stylizer.info.device) == ("onnx", "cpu")


@pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
def test_views_and_read_only_arrays_are_taken_and_kept(engine: Any) -> None:
    image = SMALL.copy()
    image.setflags(write=False)
    with Stylizer("candy", engine=engine, network="fast", device="cpu") as stylizer:
        stylized = stylizer(image)
        assert np.array_equal(stylizer(np.ascontiguousarray(image[..., ::-1])[..., ::-1]), stylized)
    stylized[:] = 0  # an array of the caller's own
    assert np.array_equal(image, SMALL)


@pytest.mark.parametrize(
    ("image", "got"),
    [
        (SMALL.astype(np.float32), "float32"),
        (SMALL[..., 0], r"uint8 \(48, 64\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \(4, 4, 4\)"),
        (SMALL.tolist(), "list"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, got: str, stylizer: Stylizer) -> None:
    with pytest.raises(FrameError, match=f"got {got}.*expected"):
        stylizer(image)


@pytest.mark.parametrize("images", [SMALL, [SMALL, SMALL], np.zeros((0, 4, 4, 3), np.uint8)])
def test_what_is_no_batch_is_refused(images: Any, stylizer: Stylizer) -> None:
    with pytest.raises(FrameError, match=r"expected a NumPy array uint8 \(N, H, W, 3\)"):
        stylizer.batch(images)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"style": "cndy"}, StyleError, "did you mean candy"),
        ({"stroke": 9.0}, OptionError, "stroke 9.0: must be 0.5 to 4"),
        ({"strength": 2.0}, OptionError, "strength 2.0: must be 0 to 1"),
        ({"network": "huge"}, OptionError, "allowed: auto, fast, fine"),
        ({"device": "tpu"}, OptionError, "allowed: auto, cpu, cuda"),
        ({"engine": "onnx", "device": "cpu", "precision": "fp16"}, EngineError, "fp16"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_so(
    options: dict[str, Any], error: type[StylizationError], said: str
) -> None:
    with pytest.raises(error, match=said):
        Stylizer(**options)


def test_a_style_that_is_unknown_leaves_it_usable(stylizer: Stylizer) -> None:
    with pytest.raises(StyleError, match="no such style"):
        stylizer(SMALL, "cndy")
    assert stylizer(SMALL).shape == SMALL.shape


def test_it_can_be_closed_twice_and_then_says_that_it_is_closed() -> None:
    stylizer = Stylizer(engine="onnx", network="fast")
    stylizer.close()
    stylizer.close()
    with pytest.raises(EngineError, match="no more work"):
        stylizer(SMALL)


def test_threads_may_share_one(stylizer: Stylizer) -> None:
    alone = [stylizer(SMALL, style) for style in stylizer.styles[:4]]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda style: stylizer(SMALL, style), stylizer.styles[:4]))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_a_video_is_what_the_command_makes_of_it(stylizer: Stylizer, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", VideoKind())
    done = []
    report = stylizer.video(source, tmp_path / "new" / "out.mp4", progress=lambda *counts: done.append(counts))
    files = [str(source), "-o", str(tmp_path / "command.mp4")]
    assert stylize.main([*files, "--engine", "onnx", "--network", "fast", "--batch-size", "1"]) == 0
    ours, commands = take_apart(tmp_path / "new" / "out.mp4"), take_apart(tmp_path / "command.mp4")
    assert report.frames == len(ours.images) == len(commands.images)
    assert done[-1][0] == report.frames
    assert all(difference(one, other) < 2 for one, other in zip(ours.images, commands.images, strict=True))
    assert difference(ours.images[0], take_apart(source).images[0]) > 5


def test_images_are_stylized_while_a_video_is(stylizer: Stylizer, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", VideoKind(count=30))
    alone = stylizer(SMALL)
    with ThreadPoolExecutor(1) as thread:
        video = thread.submit(stylizer.video, source, tmp_path / "out.mp4")
        beside = stylizer(SMALL)
        assert video.result(timeout=100).frames == 30
    assert np.array_equal(beside, alone)


def test_a_video_is_not_overwritten_unasked_and_an_image_is_no_video(stylizer: Stylizer, tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", VideoKind())
    with pytest.raises(OptionError, match="is the input itself"):
        stylizer.video(source, source)
    (tmp_path / "out.mp4").write_bytes(b"-")
    with pytest.raises(OptionError, match="is there already"):
        stylizer.video(source, tmp_path / "out.mp4")
    stylizer.video(source, tmp_path / "out.mp4", overwrite=True)
    Pillow.fromarray(SMALL).save(tmp_path / "photo.png")
    with pytest.raises(OptionError, match="must be one video file"):
        stylizer.video(tmp_path / "photo.png", tmp_path / "photo_out.png")


def test_importing_the_package_imports_nothing_slow() -> None:
    code = (
        "import sys, realtime\n"
        "slow = {'cv2', 'numpy', 'av', 'torch', 'onnxruntime', 'openvino'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
        "assert 'Stylizer' in dir(realtime)\n"
        "try:\n"
        "    realtime.Painter\n"
        "except AttributeError as error:\n"
        "    assert 'Painter' in str(error)\n"
        "from realtime import Stylizer, StylizationError\n"
        "assert not {'torch', 'onnxruntime', 'openvino'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
