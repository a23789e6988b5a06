"""The options of a training: their defaults, and what is allowed. Importing them imports no PyTorch."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from neural_style.errors import TrainingError

if TYPE_CHECKING:
    from neural_style.weights.checkpoint import StyleCredit

NetworkKind = Literal["style", "fast", "fine", "transformer"]
LossNetworkName = Literal["vgg19", "distilled", "vgg16", "efficientnet"]
NETWORK_KINDS: tuple[NetworkKind, ...] = get_args(NetworkKind)
LOSS_NETWORK_NAMES: tuple[LossNetworkName, ...] = get_args(LossNetworkName)
STEPS: dict[NetworkKind, int] = {"style": 500, "fast": 4500, "fine": 4500, "transformer": 4500}
"""How long each kind is trained when nothing else is asked for."""

STATE_SUFFIX = ".training.pt"
"""Of the file beside the output that `--resume` reads."""

_RECORDED: tuple[str, ...] = ("network", "steps", "batch_size", "crop_px", "style_size_px", "learning_rate")
_RECORDED += ("loss_network", "seed", "device", "processes", "steady_from")
"""Options that the header of a checkpoint keeps as they are."""


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts.

    Attributes:
        content: low stylizes over the content, high leaves the photograph.
        style: weight of the statistics of all style layers together.
        colour: match of the distribution of colours.
        contrast: match of the distribution of what differs within small patches; without it a
            network learns to be steady by stylizing with less contrast.
        smoothness: total variation.
        grid: patterns in step with the cells that a network computes on, see `grid_power`.
        range: pixels outside of 0..255, which a screen would cut off.
        steadiness: images that move with what they show (`neural_style.training.steadiness`).
        strokes: match of the covariances of features in images without colour and of equal contrast;
            without it much of a style's statistics come from its palette alone.
    """

    content: float = 0.45
    style: float = 1.0
    colour: float = 50.0
    contrast: float = 1.5
    smoothness: float = 0.5
    grid: float = 0.0
    range: float = 20.0
    steadiness: float = 12.0
    strokes: float = 0.0


@dataclass(frozen=True)
class TrainOptions:
    """Everything that decides what weights come out.

    Attributes:
        style_images: an image for each style.
        credits: name, source and licence of each style, in the same order.
        content_dir: folder of photographs; the last tenth by name (50 at most) is kept for validation.
            None is the ten photographs that scikit-image ships.
        output: the `.safetensors` file to write.
        network: what is trained: "style" only a style vector of `trunk`, which takes minutes;
            "fast" a whole network with any number of styles, "fine" a larger one, which may start from
            a fast one; "transformer" one with one style.
        trunk: the `FastNet` checkpoint that a style vector is trained for.
        steps: optimizer steps.
        batch_size: photographs per step; each is stylized in one style.
        crop_px: side of the training crops.
        style_size_px: shorter side that style images are resized to: larger makes larger strokes.
        learning_rate: held from 3 % to 70 % of the steps, and lowered to zero after.
        weights: of the loss terms.
        content_weights: a factor on the content term for each style; empty is 1 for all.
        style_shares: how often each style is drawn in a round; empty is once for all.
        loss_network: whose features are compared.
        loss_weights_file: its weights, when not the ones it finds itself.
        start_from: a checkpoint whose weights training starts with, styles that it has by name.
        steady_from: part of the steps after which the steadiness term begins.
        save_every: steps between checkpoints and preview sheets.
        seed: of initialization and drawing.
        device: "cpu" or "cuda".
        processes: how many share each batch; for CPUs.
    """

    style_images: tuple[Path, ...]
    credits: "tuple[StyleCredit, ...]"
    content_dir: Path | None
    output: Path
    network: NetworkKind = "style"
    trunk: Path | None = None
    steps: int = STEPS["style"]
    batch_size: int = 4
    crop_px: int = 256
    style_size_px: int = 480
    learning_rate: float = 4e-3
    weights: LossWeights = field(default_factory=LossWeights)
    content_weights: tuple[float, ...] = ()
    style_shares: tuple[int, ...] = ()
    loss_network: LossNetworkName = "efficientnet"
    loss_weights_file: Path | None = None
    start_from: Path | None = None
    steady_from: float = 0.8
    save_every: int = 250
    seed: int = 0
    device: str = "cpu"
    processes: int = 1

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_styles()
        self._check_start()
        if self.processes > 1 and self.device != "cpu":
            raise TrainingError(f"processes {self.processes}: only a CPU is shared, got --device {self.device}")
        if self.batch_size % self.processes:
            raise TrainingError(f"batch-size {self.batch_size}: must be a multiple of --processes {self.processes}")

    def _check_numbers(self) -> None:
        for name in ("steps", "batch_size", "save_every", "learning_rate", "processes"):
            if not 0 < getattr(self, name) < float("inf"):
                raise TrainingError(f"{name.replace('_', '-')} {getattr(self, name)}: must be above 0")
        for name in ("crop_px", "style_size_px"):
            if getattr(self, name) < 64:
                option = name.removesuffix("_px").replace("_", "-")
                raise TrainingError(f"{option} {getattr(self, name)} px: must be at least 64")
        if not 0 <= self.seed < 2**32:
            raise TrainingError(f"seed {self.seed}: must be 0 to {2**32 - 1}")
        if not 0 <= self.steady_from <= 1:
            raise TrainingError(f"steadiness-from {self.steady_from}: must be 0 to 1")

    def _check_styles(self) -> None:
        if not self.style_images:
            raise TrainingError("no style image given; use --style-image IMAGE")
        if self.network not in ("fast", "fine") and len(self.style_images) != 1:
            raise TrainingError(
                f"network {self.network} trains one style, got {len(self.style_images)} images; "
                "for several use --network fast"
            )
        for what, values in (("content weights", self.content_weights), ("shares", self.style_shares)):
            if values and len(values) != len(self.style_images):
                raise TrainingError(
                    f"{len(self.style_images)} styles but {len(values)} {what}; give each style one, or none"
                )
        if any(share < 1 for share in self.style_shares):
            raise TrainingError(f"shares {self.style_shares}: each must be at least 1")

    def _check_start(self) -> None:
        if (self.network == "style") != (self.trunk is not None):
            raise TrainingError(
                f"network {self.network}, trunk {self.trunk}: a style vector needs a trunk, others none"
            )
        if self.trunk is not None and self.start_from is not None:
            raise TrainingError(f"start-from {self.start_from}: a style starts from its trunk; give --trunk only")

    @property
    def recorded(self) -> dict[str, str | int | float]:
        """What the header of a checkpoint says of the options."""
        return {
            **{f"weight_{name}": value for name, value in asdict(self.weights).items()},
            "content_weights": json.dumps(self.content_weights),
            "style_shares": json.dumps(self.style_shares),
            **{name: getattr(self, name) for name in _RECORDED},
        }

    @property
    def state_path(self) -> Path:
        """Where the state that `--resume` reads is kept."""
        return self.output.with_suffix(STATE_SUFFIX)

    @property
    def preview_path(self) -> Path:
        """Where the preview sheet is kept."""
        return self.output.with_suffix(".preview.png")
