from torch import nn

from neural_style.networks.fast_net import FastNet
from neural_style.networks.transformer_net import TransformerNet
from speed.cost import cost_per_pixel


def test_one_convolution_is_counted_by_hand() -> None:
    cost = cost_per_pixel(nn.Sequential(nn.Conv2d(3, 8, 5, stride=2, padding=2)), (64, 32))
    assert cost.macs == 8 * 3 * 25 / 4  # an output pixel for every fourth input pixel
    assert cost.values == 3 + 8 / 4
    assert (cost.bytes_in("fp32"), cost.bytes_in("bf16"), cost.bytes_in("int8")) == (20.0, 10.0, 5.0)


def test_groups_are_counted_once() -> None:
    assert cost_per_pixel(nn.Sequential(nn.Conv2d(3, 6, 1, groups=3)), (8, 8)).macs == 6


def test_the_public_network_costs_far_more_than_ours() -> None:
    ours = cost_per_pixel(FastNet(("waves",)), (640, 480))
    public = cost_per_pixel(TransformerNet("waves"), (640, 480))
    assert public.macs > 10 * ours.macs
    assert public.values > 5 * ours.values
