"""Owns `TransformerNet`: Johnson's network exactly as the public checkpoints need it."""

import torch.nn.functional as F
from torch import Tensor, nn

MIN_SIDE_PX = 5
"""The first convolution reflects four pixels, and reflection needs more pixels than it reflects."""


class _Convolution(nn.Module):
    """A convolution with reflection padding; the attribute names are the public key names."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(in_channels, out_channels, kernel, stride)

    def forward(self, features: Tensor) -> Tensor:
        margin = self.conv2d.kernel_size[0] // 2
        output: Tensor = self.conv2d(F.pad(features, (margin,) * 4, mode="reflect"))
        return output


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Convolution(channels, channels, 3, 1)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = _Convolution(channels, channels, 3, 1)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.relu(self.in1(self.conv1(features)))
        output: Tensor = self.in2(self.conv2(inner)) + features
        return output


class TransformerNet(nn.Module):
    """The feed-forward network of Johnson et al. 2016 with instance norm (Ulyanov et al. 2016).

    Layer for layer the network of PyTorch's public `fast_neural_style` example, so
    its checkpoints load unchanged. One style per network.

    Attributes:
        style_names: the one style's name.
    """

    family = "transformer"

    def __init__(self, style_name: str) -> None:
        super().__init__()
        self.style_names = (style_name,)
        self.conv1 = _Convolution(3, 32, 9, 1)
        self.in1 = nn.InstanceNorm2d(32, affine=True)
        self.conv2 = _Convolution(32, 64, 3, 2)
        self.in2 = nn.InstanceNorm2d(64, affine=True)
        self.conv3 = _Convolution(64, 128, 3, 2)
        self.in3 = nn.InstanceNorm2d(128, affine=True)
        self.res1 = _ResidualBlock(128)
        self.res2 = _ResidualBlock(128)
        self.res3 = _ResidualBlock(128)
        self.res4 = _ResidualBlock(128)
        self.res5 = _ResidualBlock(128)
        self.deconv1 = _Convolution(128, 64, 3, 1)
        self.in4 = nn.InstanceNorm2d(64, affine=True)
        self.deconv2 = _Convolution(64, 32, 3, 1)
        self.in5 = nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = _Convolution(32, 3, 9, 1)

    @property
    def vector_size(self) -> int:
        """Always 0: the style is in the weights."""
        return 0

    def forward(self, images: Tensor, style_vectors: Tensor | None = None) -> Tensor:
        """Stylizes a batch.

        Args:
            images: float32 (N, 3, H, W), RGB, 0..255; any height and width.
            style_vectors: ignored; present so that both networks are called alike.

        Returns:
            float32 (N, 3, H, W), RGB, not clamped to 0..255. The public network gives
            sides rounded up to multiples of four; the rows and columns past the
            input's size are cut off.
        """
        height, width = images.shape[2:]
        features = _pad_to_minimum(images).to(self.conv1.conv2d.weight.dtype)
        # The first layer may be in fp32 where the others are in fp16: see `in_precision`.
        features = F.relu(self.in1(self.conv1(features))).to(self.conv2.conv2d.weight.dtype)
        features = F.relu(self.in2(self.conv2(features)))
        features = F.relu(self.in3(self.conv3(features)))
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            features = block(features)
        features = F.relu(self.in4(self.deconv1(_double(features))))
        features = F.relu(self.in5(self.deconv2(_double(features))))
        output: Tensor = self.deconv3(features)
        return output.float()[:, :, :height, :width]


def _double(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2.0, mode="nearest")


def _pad_to_minimum(images: Tensor) -> Tensor:
    """Repeats the last row and column of images too small for the network to take."""
    bottom = max(0, MIN_SIDE_PX - images.shape[2])
    right = max(0, MIN_SIDE_PX - images.shape[3])
    if bottom == 0 and right == 0:
        return images
    return F.pad(images, (0, right, 0, bottom), mode="replicate")
