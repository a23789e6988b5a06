"""Tests that an image or a video looks the same to all that read it: live, files, training, judging, benchmark."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import difference, noise
from PIL import Image as Pillow
from PIL import ImageCms
from video_corpus import VideoKind, images_of, make_video

from neural_style.judging.inputs import read_exhibit, read_frames
from neural_style.training.dataset import read_style_image
from realtime.frame import Image
from realtime.media.colour import ColourTags
from realtime.media.image_file import read_still
from realtime.media.video_reader import VideoReader
from realtime.sources.video_file import VideoFileSource
from speed.clips import first_frames, write_clip

WH = (96, 72)
SHOWN = {
    "anamorphic": (VideoKind(shape=Fraction(16, 9), count=2, size_wh=WH), (171, 72)),
    "rotated": (VideoKind(rotation=90, count=2, size_wh=WH), (72, 96)),
    "full range": (VideoKind(tags=ColourTags(matrix=1, full_range=True), count=2, size_wh=WH), WH),
    "BT.2020": (VideoKind(tags=ColourTags(matrix=9), count=2, size_wh=WH), WH),
    "anamorphic and rotated": (VideoKind(shape=Fraction(3, 2), rotation=-90, count=2, size_wh=WH), (72, 144)),
}


def _files(path: Path) -> list[Image]:
    return [frame.pixels for frame in VideoReader(path).frames()]


def _live(path: Path) -> list[Image]:
    source = VideoFileSource(path, "clip", paced=False)
    frames = [source.read(), source.read()]
    assert source.read() is None
    source.close()
    assert {frame.size_wh for frame in frames if frame is not None} == {source.info.size_wh}
    return [frame.pixels for frame in frames if frame is not None]


def _judge(path: Path) -> list[Image]:
    return list(read_frames(path, 60))


def _benchmark(path: Path) -> list[Image]:
    height, width = _files(path)[0].shape[:2]
    return list(first_frames(path, (width, height), 2))


def _benchmark_file(path: Path) -> list[Image]:
    """What is measured end to end: the clip, written in a size and read again."""
    height, width = _files(path)[0].shape[:2]
    write_clip(path, (width, height), path.with_name("in_size.mp4"))
    return [image[:height, :width] for image in _files(path.with_name("in_size.mp4"))]


@pytest.mark.parametrize(("kind", "shown_wh"), SHOWN.values(), ids=SHOWN.keys())
@pytest.mark.parametrize("read", [_files, _live, _judge, _benchmark, _benchmark_file])
def test_a_video_is_seen_as_it_is_shown(
    kind: VideoKind, shown_wh: tuple[int, int], read: Callable[[Path], list[Image]], tmp_path: Path
) -> None:
    upright = [np.rot90(image, round(kind.rotation / 90)) for image in images_of(kind)]
    wanted = [cv2.resize(image, shown_wh, interpolation=cv2.INTER_CUBIC) for image in upright]
    got = read(make_video(tmp_path / "in", kind))
    assert [image.shape[1::-1] for image in got] == [shown_wh] * 2
    for one, other in zip(got, wanted, strict=True):
        assert difference(one, np.asarray(other, np.uint8)) < 9  # chroma has half the size


def _swapping_profile() -> bytes:
    """The profile of a screen whose red is sRGB's green, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def _style_image(path: Path) -> Image:
    pixels: Image = read_style_image(path, WH[0])[0].byte().permute(1, 2, 0).numpy()
    return pixels


@pytest.mark.parametrize(
    "read", [lambda path: read_still(path).pixels, _style_image, lambda path: read_exhibit(path, "photograph").image]
)
def test_an_image_is_seen_upright_and_in_its_own_colours(read: Callable[[Path], Image], tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned a quarter
    image = noise((144, 96))
    Pillow.fromarray(image).save(tmp_path / "a.png", exif=exif, icc_profile=_swapping_profile())
    seen = read(tmp_path / "a.png")
    assert seen.shape == (144, 96, 3)
    assert difference(seen, np.ascontiguousarray(np.rot90(image, -1)[..., [1, 0, 2]])) < 3
