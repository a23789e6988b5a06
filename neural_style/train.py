"""Owns the training loop: batches in, a network that paints out, resumable at any checkpoint.

Must not know the command line or draw on the terminal; progress is handed to a callback.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from neural_style.atomic import whole_file
from neural_style.checkpoint import StyleCredit, StyleNetwork, first_reason, save_checkpoint
from neural_style.dataset import PhotoFolder, read_picture, read_style_picture
from neural_style.errors import TrainingError
from neural_style.fast_net import FastNet
from neural_style.loss_network import LossNetworkName, load_loss_network
from neural_style.losses import LossWeights, PerceptualLoss, style_target
from neural_style.transformer_net import TransformerNet

MAX_VALIDATION_PICTURES = 50


@dataclass(frozen=True)
class TrainOptions:
    """Everything that decides what weights come out.

    Attributes:
        style_pictures: a picture for each style.
        credits: name, source and licence of each style, in the same order.
        content_dir: folder of photographs; the last tenth by name (50 at most) is kept for validation.
        output: the `.safetensors` file to write.
        network: "fast" (any number of styles) or "transformer" (one style).
        steps: optimizer steps.
        batch_size: photographs per step; each draws a style.
        crop_px: side of the training crops.
        style_size_px: shorter side that style pictures are resized to: larger makes larger strokes.
        learning_rate: peak of the one-cycle schedule.
        weights: of the loss terms.
        loss_network: whose features are compared.
        loss_weights_file: its weights, when not the ones it finds itself.
        save_every: steps between checkpoints and preview sheets.
        seed: of initialization and drawing.
        device: "cpu" or "cuda".
    """

    style_pictures: tuple[Path, ...]
    credits: tuple[StyleCredit, ...]
    content_dir: Path
    output: Path
    network: Literal["fast", "transformer"] = "fast"
    steps: int = 1000
    batch_size: int = 4
    crop_px: int = 224
    style_size_px: int = 400
    learning_rate: float = 2e-3
    weights: LossWeights = field(default_factory=LossWeights)
    loss_network: LossNetworkName = "efficientnet"
    loss_weights_file: Path | None = None
    save_every: int = 250
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "save_every", "style_size_px", "learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise TrainingError(f"{name.replace('_', '-')} {getattr(self, name)}: must be above 0")
        if self.crop_px < 64:
            raise TrainingError(f"crop {self.crop_px} px: must be at least 64")
        if not self.style_pictures:
            raise TrainingError("no style picture given; use --style-image PICTURE")
        if self.network == "transformer" and len(self.style_pictures) != 1:
            raise TrainingError(
                f"network transformer holds one style, got {len(self.style_pictures)}; use fast for several"
            )

    @property
    def state_path(self) -> Path:
        """Where the state that `--resume` reads is kept."""
        return self.output.with_suffix(".training.pt")

    @property
    def preview_path(self) -> Path:
        """Where the preview sheet is kept."""
        return self.output.with_suffix(".preview.png")


@dataclass(frozen=True)
class Progress:
    """What a step reports: steps done and the weighted loss terms by name."""

    step: int
    losses: dict[str, float]


class Trainer:
    """Trains one network.

    Args:
        options: checked already.
        resume: go on from `options.state_path`.

    Raises:
        TrainingError: a picture, folder, state or loss network is not usable.
        MissingPackageError: the loss network's package is not installed.
    """

    def __init__(self, options: TrainOptions, resume: bool = False) -> None:
        self.options = options
        self._device = torch.device(options.device)
        torch.manual_seed(options.seed)
        self.network = _new_network(options).to(self._device)
        groups = _parameter_groups(self.network, options.learning_rate)
        self._optimizer = torch.optim.Adam(groups)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, [group["lr"] for group in groups], total_steps=options.steps, pct_start=0.06
        )
        self.step = 0
        loss_network = load_loss_network(options.loss_network, options.loss_weights_file).to(self._device)
        self._loss_network = loss_network
        pictures = [read_style_picture(p, options.style_size_px) for p in options.style_pictures]
        targets = [style_target(loss_network, picture.to(self._device)) for picture in pictures]
        self._loss = PerceptualLoss(loss_network, targets, options.weights)
        self._photos = PhotoFolder(
            options.content_dir, options.crop_px, options.steps * options.batch_size, options.seed
        )
        held_out = min(MAX_VALIDATION_PICTURES, len(self._photos.paths) // 10)
        self._validation = self._photos.paths[len(self._photos.paths) - held_out :] or self._photos.paths[:4]
        del self._photos.paths[len(self._photos.paths) - held_out :]
        if resume:
            self._restore()

    def run(self, report: Callable[[Progress], None]) -> None:
        """Trains to the last step, saving as it goes, and writes the checkpoint at the end.

        Raises:
            TrainingError: the loss became infinite or not a number.
            OSError: a file cannot be written.
        """
        for batch in self._batches():
            losses = self._train_step(batch)
            self.step += 1
            report(Progress(self.step, losses))
            if self.step % self.options.save_every == 0 or self.step == self.options.steps:
                self.save()
                self.write_preview()

    def save(self) -> None:
        """Writes the checkpoint and, beside it, the state that a resumed run needs."""
        self.options.output.parent.mkdir(parents=True, exist_ok=True)
        training: dict[str, str | int | float] = {
            "step": self.step,
            "loss_network": self.options.loss_network,
            **{f"weight_{k}": v for k, v in asdict(self.options.weights).items()},
        }
        for name in ("steps", "batch_size", "crop_px", "style_size_px", "learning_rate", "seed"):
            training[name] = getattr(self.options, name)
        save_checkpoint(self.options.output, self.network, list(self.options.credits), training)
        state = {
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "step": self.step,
            "styles": list(self.network.style_names),
            "steps": self.options.steps,
            "random": torch.get_rng_state(),
        }
        with whole_file(self.options.state_path) as partial:
            torch.save(state, partial)

    @torch.inference_mode()
    def write_preview(self) -> None:
        """Writes the preview sheet: a row for each of four validation pictures, a column for each style."""
        rows = []
        for path in self._validation[:4]:
            picture = read_picture(path)
            if picture is None:
                continue
            square = cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA)
            content = torch.from_numpy(square).permute(2, 0, 1)[None].float().to(self._device)
            cells = [content]
            for style in range(len(self.network.style_names)):
                vector = self.network.style_vectors[style : style + 1] if isinstance(self.network, FastNet) else None
                cells.append(self.network(content, vector))
            rows.append(torch.cat(cells, dim=3)[0])
        if rows:
            sheet = torch.cat(rows, dim=1).clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
            with whole_file(self.options.preview_path) as partial:
                cv2.imwrite(str(partial), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))

    def _batches(self) -> Iterator[Tensor]:
        first = self.step * self.options.batch_size
        rest = Subset(self._photos, range(first, len(self._photos)))
        workers = 4 if self._device.type == "cuda" else 0
        # A generator of its own: by default a loader takes a number from the one that draws styles.
        own_generator = torch.Generator().manual_seed(self.options.seed)
        return iter(DataLoader(rest, self.options.batch_size, num_workers=workers, generator=own_generator))

    def _train_step(self, photographs: Tensor) -> dict[str, float]:
        photographs = photographs.to(self._device)  # (N, 3, crop, crop)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            with torch.no_grad():
                content = self._loss_network(photographs)
            styles = torch.randint(len(self.network.style_names), (len(photographs),)).to(self._device)
            vectors = self.network.style_vectors[styles] if isinstance(self.network, FastNet) else None
            terms = self._loss(self.network(photographs, vectors).float(), content, styles)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise TrainingError(
                f"step {self.step}: the loss is {total.item()}; lower --learning-rate or --style-weight"
            )
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        return {name: term.item() for name, term in terms.items()}

    @property
    def _autocast(self) -> bool:
        """Half precision pays on a GPU, and on a CPU whose instructions know bf16."""
        return self._device.type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())

    def _restore(self) -> None:
        path = self.options.state_path
        if not path.is_file():
            raise TrainingError(f"cannot resume: {path} does not exist; start without --resume")
        try:
            state = torch.load(path, map_location=self._device, weights_only=True)
        except Exception as error:
            raise TrainingError(f"cannot resume from {path}: it is damaged; start without --resume") from error
        try:
            self._check_same_training(state)
            self.network.load_state_dict(state["network"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
            torch.set_rng_state(state["random"].cpu())
            self.step = state["step"]
        except (LookupError, RuntimeError, ValueError, TypeError) as error:
            raise TrainingError(f"cannot resume from {path}: {first_reason(error)}") from error

    def _check_same_training(self, state: dict[str, Any]) -> None:
        """Raises ValueError when a state belongs to other styles or another schedule."""
        if tuple(state["styles"]) != self.network.style_names:
            raise ValueError(f"it trains {state['styles']}, not {list(self.network.style_names)}")
        if state["steps"] != self.options.steps:
            raise ValueError(f"it was started with --steps {state['steps']}, not {self.options.steps}; give the same")


def _parameter_groups(network: StyleNetwork, learning_rate: float) -> list[dict[str, Any]]:
    """Style vectors hold values near one, convolutions near a twentieth: they need larger steps."""
    vectors = [p for name, p in network.named_parameters() if name == "style_vectors"]
    others = [p for name, p in network.named_parameters() if name != "style_vectors"]
    groups = [{"params": others, "lr": learning_rate}]
    return [*groups, {"params": vectors, "lr": 5 * learning_rate}] if vectors else groups


def _new_network(options: TrainOptions) -> StyleNetwork:
    names = tuple(credit.name for credit in options.credits)
    return FastNet(names) if options.network == "fast" else TransformerNet(names[0])
