"""Tests of predicted styles: the same numbers as the network that was trained, and what stands for a style."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from neural_style.errors import StylizationError
from neural_style.networks.fast_net import FastNet
from neural_style.networks.style_predictor import INPUT_SHORT_SIDE_PX, StylePredictor
from neural_style.training.predictor import save_predictor
from neural_style.training.starting_point import predicted_start
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import load_checkpoint
from neural_style.weights.predictor import load_predictor
from realtime.frame import Image
from realtime.media.resize import with_short_side
from realtime.style_catalogue import find_style, load_catalogue, open_style_list, open_styles
from realtime.style_prediction import predict_style, read_style_image


def _image(height: int, width: int, seed: int = 0) -> Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), dtype=np.uint8)
    return np.asarray(Pillow.fromarray(small).resize((width, height)), np.uint8)


def test_numpy_gives_what_was_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = {}
    for name in ("fast", "fine"):
        network = load_checkpoint(SAVED_MODELS / f"{name}.safetensors")
        assert isinstance(network, FastNet)
        networks[name] = network
    trained = StylePredictor({name: network.vector_size for name, network in networks.items()})
    trained.start_from(networks)
    trained.usual.normal_()
    trained.spread.uniform_(0.5, 2)
    weights = {name: value.half().float() for name, value in trained.state_dict().items()}
    trained.load_state_dict(weights)
    save_predictor(tmp_path / "predictor.safetensors", weights, networks)
    predictor = load_predictor(tmp_path / "predictor.safetensors")
    sized = with_short_side(_image(300, 411), INPUT_SHORT_SIDE_PX)
    with torch.inference_mode():
        expected = trained(torch.from_numpy(sized.transpose(2, 0, 1).copy())[None].float())
    code = predictor.code(sized)
    for name in networks:
        np.testing.assert_allclose(predictor.vector(code, name), expected[name][0].numpy(), atol=2e-3)


def test_training_starts_with_the_same_prediction(tmp_path: Path) -> None:
    path = tmp_path / "rust.png"
    Pillow.fromarray(_image(90, 300)).save(path)
    network = load_checkpoint(SAVED_MODELS / "fast.safetensors")
    assert isinstance(network, FastNet)
    start = predicted_start(network, path)
    assert start is not None
    catalogue, place = open_styles(str(path))
    vector = catalogue.styles[place].vector
    assert vector is not None
    np.testing.assert_array_equal(vector, start.numpy())
    assert predicted_start(FastNet(("x",)), path) is None, "of another trunk"


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 700), (900, 30)])
def test_any_size_and_flat_images_give_finite_vectors(height: int, width: int) -> None:
    like = load_catalogue().styles[0]
    for image in (_image(height, width), np.zeros((height, width, 3), np.uint8)):
        vector = predict_style(image, "any", like).vector
        assert vector is not None
        assert np.isfinite(vector).all()
        assert np.abs(vector).max() < 100


def test_an_image_is_a_style_alone_and_in_blends(tmp_path: Path) -> None:
    path = tmp_path / "rust.png"
    Pillow.fromarray(_image(90, 120)).save(path)
    catalogue, place = open_styles(str(path))
    style = catalogue.styles[place]
    assert style.name == "rust"
    assert style.file == path
    assert style.fades_by_vector
    catalogue, places = open_style_list(f"candy:0.5+{path}:0.5,{path},candy")
    blend, alone, candy = (catalogue.styles[place] for place in places)
    assert blend.name == "candy:0.5+rust:0.5"
    assert blend.vector is not None
    assert alone.vector is not None
    assert candy.vector is not None
    np.testing.assert_allclose(blend.vector, (alone.vector + candy.vector) / 2, atol=1e-5)
    assert len(catalogue) == len(open_styles("candy")[0]) + 2


def test_an_image_called_as_a_style_keeps_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "candy.png"
    Pillow.fromarray(_image(64, 64)).save(path)
    catalogue, place = open_styles(str(path))
    assert catalogue.styles[place].name == "candy.png"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jpg", None, "cannot be read"),
        ("text.jpg", b"no image at all", "damaged"),
        ("empty.png", b"", "damaged"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StylizationError, match=message):
        open_styles(str(path))


def test_long_images_are_refused_by_their_header(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    Pillow.new("L", (2, 9000)).save(path)
    with pytest.raises(StylizationError, match="at most 32 times"):
        open_styles(str(path))


def test_of_a_transparent_image_what_is_seen_on_paper_counts(tmp_path: Path) -> None:
    hidden = np.dstack([_image(64, 96), np.zeros((64, 96), np.uint8)])
    Pillow.fromarray(hidden).save(tmp_path / "hidden.png")
    assert (read_style_image(tmp_path / "hidden.png") == 255).all()


def test_a_header_that_promises_too_much_is_refused_at_once(tmp_path: Path) -> None:
    for size_wh in ((1, 8_000_000), (9000, 9000)):
        content = bytearray(_png(4, 4))
        content[16:24] = struct.pack(">II", *size_wh)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        (tmp_path / "large.png").write_bytes(content)
        with pytest.raises(StylizationError, match=f"large.png: says that it is {size_wh[0]}x{size_wh[1]} px"):
            open_styles(str(tmp_path / "large.png"))


def _png(height: int, width: int) -> bytes:
    content = io.BytesIO()
    Pillow.fromarray(_image(height, width)).save(content, "png")
    return content.getvalue()


def test_a_foreign_network_has_no_predicted_styles(tmp_path: Path) -> None:
    image = tmp_path / "rust.png"
    Pillow.fromarray(_image(64, 64)).save(image)
    with pytest.raises(StylizationError):
        open_style_list(f"{SAVED_MODELS / 'fast.onnx'},{image}")


def test_commands_of_a_run_read_no_files(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    Pillow.fromarray(_image(64, 64)).save(path)
    catalogue, _ = open_styles("candy")
    for text in (str(path), f"candy:0.5+{path}:0.5"):
        with pytest.raises(StylizationError, match="no such style"):
            find_style(text, catalogue)
