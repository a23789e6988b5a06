"""Tests of `TransformerNet` against a plain network written here from the public description.

Knows nothing of files; the reference below shares no code with `neural_style`.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neural_style.networks.transformer_net import TransformerNet


class _PlainConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, upsample: bool = False) -> None:
        super().__init__()
        self.upsample = upsample
        self.reflection = nn.ReflectionPad2d(kernel // 2)
        self.conv2d = nn.Conv2d(inputs, outputs, kernel_size=kernel, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        if self.upsample:
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return torch.as_tensor(self.conv2d(self.reflection(x)))


class _PlainResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.in1 = _PlainConv(128, 128, 3), nn.InstanceNorm2d(128, affine=True)
        self.conv2, self.in2 = _PlainConv(128, 128, 3), nn.InstanceNorm2d(128, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(x + self.in2(self.conv2(torch.relu(self.in1(self.conv1(x))))))


class _PlainTransformerNet(nn.Module):
    """What the public example describes: three convolutions down, five residual blocks, three convolutions up."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.in1 = _PlainConv(3, 32, 9), nn.InstanceNorm2d(32, affine=True)
        self.conv2, self.in2 = _PlainConv(32, 64, 3, stride=2), nn.InstanceNorm2d(64, affine=True)
        self.conv3, self.in3 = _PlainConv(64, 128, 3, stride=2), nn.InstanceNorm2d(128, affine=True)
        self.res1, self.res2, self.res3 = _PlainResidual(), _PlainResidual(), _PlainResidual()
        self.res4, self.res5 = _PlainResidual(), _PlainResidual()
        self.deconv1, self.in4 = _PlainConv(128, 64, 3, upsample=True), nn.InstanceNorm2d(64, affine=True)
        self.deconv2, self.in5 = _PlainConv(64, 32, 3, upsample=True), nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = _PlainConv(32, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.in1(self.conv1(x)))
        x = torch.relu(self.in2(self.conv2(x)))
        x = torch.relu(self.in3(self.conv3(x)))
        x = self.res5(self.res4(self.res3(self.res2(self.res1(x)))))
        x = torch.relu(self.in4(self.deconv1(x)))
        x = torch.relu(self.in5(self.deconv2(x)))
        return torch.as_tensor(self.deconv3(x))


def _networks() -> tuple[_PlainTransformerNet, TransformerNet]:
    """The reference and ours with the same random weights, whose images use the 0..255 scale."""
    torch.manual_seed(0)
    reference = _PlainTransformerNet()
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if ".in" in f".{name}":
                parameter.add_(0.3 * torch.randn_like(parameter))
        reference.deconv3.conv2d.weight.mul_(130)
        assert reference.deconv3.conv2d.bias is not None
        reference.deconv3.conv2d.bias.fill_(127)
    ours = TransformerNet("random")
    ours.load_state_dict(reference.state_dict())
    return reference.eval(), ours.eval()


def _images(n: int, height: int, width: int) -> Tensor:
    return torch.rand((n, 3, height, width), generator=torch.Generator().manual_seed(height * width)) * 255


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (8, 12)])
@torch.inference_mode()
def test_equals_the_public_network_where_sides_are_multiples_of_four(size: tuple[int, int]) -> None:
    reference, ours = _networks()
    expected = reference(_images(1, *size))
    assert expected.std() > 20
    torch.testing.assert_close(ours(_images(1, *size)), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(61, 75), (30, 33), (5, 6)])
@torch.inference_mode()
def test_is_the_top_left_of_the_public_network_at_other_sizes(size: tuple[int, int]) -> None:
    reference, ours = _networks()
    expected = reference(_images(1, *size))
    assert expected.shape[2:] != size, "the public network rounds such sides up"
    torch.testing.assert_close(ours(_images(1, *size)), expected[:, :, : size[0], : size[1]], atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 5), (1, 40)])
@torch.inference_mode()
def test_takes_images_smaller_than_its_padding(size: tuple[int, int]) -> None:
    _, ours = _networks()
    stylized = ours(_images(1, *size))
    assert stylized.shape == (1, 3, *size)
    assert stylized.isfinite().all()


@torch.inference_mode()
def test_each_image_of_a_batch_is_stylized_on_its_own() -> None:
    _, ours = _networks()
    images = _images(2, 33, 40)
    singles = torch.cat([ours(images[:1]), ours(images[1:])])
    assert (singles[0] - singles[1]).abs().max() > 1
    torch.testing.assert_close(ours(images), singles, atol=1e-3, rtol=0)


def test_has_the_public_key_names_and_shapes() -> None:
    ours = TransformerNet("any").state_dict()
    expected = _PlainTransformerNet().state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: v.shape for name, v in expected.items()}
    assert {"conv1.conv2d.weight", "in1.weight", "res1.conv1.conv2d.weight", "deconv1.conv2d.weight"} <= set(ours)


def test_has_as_many_parameters_as_the_public_network() -> None:
    assert sum(parameter.numel() for parameter in TransformerNet("any").parameters()) == 1_679_235


@torch.inference_mode()
def test_bf16_weights_take_float32_images_and_stay_near() -> None:
    _, ours = _networks()
    images = F.interpolate(_images(1, 6, 8), size=(48, 64), mode="bilinear")
    expected = ours(images)
    stylized = ours.bfloat16()(images)
    assert stylized.dtype == torch.float32
    assert 0 < (stylized - expected).abs().mean() < 0.05 * expected.std()


@torch.inference_mode()
def test_ignores_style_vectors_and_holds_one_style() -> None:
    _, ours = _networks()
    images = _images(1, 16, 16)
    assert ours.style_names == ("random",)
    assert ours.vector_size == 0
    assert torch.equal(ours(images, torch.ones(1, 7)), ours(images))
