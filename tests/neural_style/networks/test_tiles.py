from typing import Any

import numpy as np
import pytest
import torch
from fakes import noise
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from neural_style.networks.fast_net import FastNet, FastNetShape
from neural_style.networks.tiles import HALO_PX, stylize_in_tiles
from neural_style.networks.transformer_net import TransformerNet
from neural_style.weights.checkpoint import StyleNetwork

SMALL = {
    "fast": FastNetShape(width=8, head_width=4),
    "fine": FastNetShape(width=8, head_width=4, inner_width=12, num_inner_blocks=5),
}


def _network(family: str) -> StyleNetwork:
    """A network with all its layers, which decide how far it sees, and few channels, which decide how long it takes."""
    torch.manual_seed(0)
    network: StyleNetwork = FastNet(("a",), SMALL[family]) if family in SMALL else _narrow(TransformerNet("a"))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        if isinstance(network, TransformerNet):
            network.deconv3.conv2d.weight.mul_(60)
            network.deconv3.conv2d.bias = nn.Parameter(torch.full((3,), 128.0))
    return network.eval()


def _narrow(network: TransformerNet) -> TransformerNet:
    """The same layers with an eighth of the channels."""
    for module in network.modules():
        for name, layer in module.named_children():
            if isinstance(layer, nn.Conv2d):
                given, made = (each if each == 3 else each // 8 for each in (layer.in_channels, layer.out_channels))
                setattr(module, name, nn.Conv2d(given, made, layer.kernel_size[0], layer.stride[0]))
            elif isinstance(layer, nn.InstanceNorm2d):
                setattr(module, name, nn.InstanceNorm2d(layer.num_features // 8, affine=True))
    return network


@pytest.mark.parametrize(
    ("family", "size_wh"),
    [
        *(("fast", size_wh) for size_wh in [(512, 384), (561, 275), (1200, 130)]),
        *(pytest.param(other, (561, 275), marks=pytest.mark.slow) for other in ("fine", "transformer")),
    ],
)
@torch.inference_mode()
def test_parts_give_the_image_of_the_whole(family: str, size_wh: tuple[int, int]) -> None:
    network, image = _network(family), noise(size_wh)
    vector = network.style_vectors[:1] if isinstance(network, FastNet) else None
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    whole = network(pixels, vector)[0].clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
    assert whole.std() > 5
    parts = stylize_in_tiles(network, image, vector, 128)
    assert np.abs(parts.astype(int) - whole.astype(int)).max() <= 1


@torch.inference_mode()
def test_the_network_is_left_as_it_was() -> None:
    network, image = _network("fast"), noise((500, 400))
    assert isinstance(network, FastNet)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    before = network(pixels)
    stylize_in_tiles(network, image, network.style_vectors[:1], 128)
    assert torch.equal(network(pixels), before)


@torch.inference_mode()
def test_no_part_is_larger_than_asked_for_and_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    network, seen = _network("fast"), []
    assert isinstance(network, FastNet)
    network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[2:]))
    stylize_in_tiles(network, noise((600, 400)), network.style_vectors[:1], 128)
    assert max(max(size) for size in seen) == 128 + 2 * HALO_PX


class _Dtypes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the largest tensor in double precision that anything gives."""

    largest = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64:
                self.largest = max(self.largest, leaf.numel())
        return result


def test_only_sums_are_in_double_precision() -> None:
    torch.manual_seed(0)
    network = FastNet(("a",), FastNetShape(width=8, num_blocks=1, head_width=4)).eval().requires_grad_(False)
    image = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    noted = _Dtypes()  # type: ignore[no-untyped-call]
    with torch.inference_mode(), noted:
        stylize_in_tiles(network, image, network.style_vectors[:1], 128)
    assert 0 < noted.largest <= 8, "a value for each channel"


@torch.inference_mode()
def test_what_one_part_sees_is_stylized_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    network, seen = _network("fast"), []
    assert isinstance(network, FastNet)
    network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[2:]))
    image, told = noise((600, 240)), []
    parts = stylize_in_tiles(network, image, network.style_vectors[:1], 128, lambda *passes: told.append(passes))
    assert seen == [torch.Size([240, 600])]
    assert told == [(1, 1)]
    whole = network(torch.from_numpy(image).permute(2, 0, 1)[None].float(), network.style_vectors[:1])
    assert np.array_equal(parts, whole[0].clamp(0, 255).round().byte().permute(1, 2, 0).numpy())


@torch.inference_mode()
def test_progress_reaches_what_it_said_at_the_beginning() -> None:
    network, told = _network("fast"), []
    assert isinstance(network, FastNet)
    stylize_in_tiles(network, noise((800, 200)), network.style_vectors[:1], 128, lambda *passes: told.append(passes))
    assert [done for done, _ in told] == list(range(1, told[0][1] + 1))
