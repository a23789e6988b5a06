"""Owns the training loop: batches in, a network that stylizes out, resumable at any checkpoint."""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from neural_style.atomic_file import whole_file
from neural_style.contact_sheet import draw_sheet, make_cell
from neural_style.errors import TrainingError
from neural_style.networks.fast_net import FastNet
from neural_style.networks.image_stylizer import ImageStylizer
from neural_style.photos import find_photos, hold_out, packaged_photos
from neural_style.training.dataset import PhotoCrops, read_style_image
from neural_style.training.distributed import Member
from neural_style.training.loss_weights import load_loss_network
from neural_style.training.losses import PerceptualLoss
from neural_style.training.machine import computes_in_bf16
from neural_style.training.options import TrainOptions
from neural_style.training.starting_point import nearest_style, new_network, parameter_groups, predicted_start
from neural_style.training.steadiness import random_motion, steadiness_loss
from neural_style.weights.checkpoint import load_checkpoint, save_checkpoint, save_style
from neural_style.weights.state_dict import first_reason
from realtime.media.image_file import StillImage, readable_images, write_still
from realtime.media.resize import resize

_log = logging.getLogger(__name__)

_WEAK_SHARE = 0.15
"""Share of the images that are trained at a random strength below 1."""

_STEADY_RAMP = 0.05
"""Part of the training in which the steadiness term comes to its full weight."""

_CONTENT_LET_GO = 0.5
"""Part of the content weight that is left out once steadiness has its full weight, because that keeps content, too."""

_AVERAGE_DECAY = 0.99

_TRIED_PHOTOS = 2
"""Number of photographs on which the styles of a network are tried, to find the one that a new style starts from."""

_PREVIEW_PHOTOS, _PREVIEW_WH = 4, (320, 320)


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
        member: which share of each batch is this process's; without it, all.

    Raises:
        TrainingError: an image, folder, state or loss network is not usable.
        MissingPackageError: the loss network's package is not installed.
    """

    def __init__(self, options: TrainOptions, resume: bool = False, member: Member | None = None) -> None:
        self.options, self._member = options, member or Member()
        self._device = torch.device(options.device)
        torch.manual_seed(options.seed)
        self._trained = new_network(options).to(self._device)
        self._stylizer: nn.Module = self._trained
        self.network = copy.deepcopy(self._trained).requires_grad_(False)
        groups = parameter_groups(self._trained, options)
        self._optimizer = torch.optim.Adam(groups)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self.step = 0
        self._started_s = time.perf_counter()
        loss_network = load_loss_network(options.loss_network, options.loss_weights_file)
        self._dtype = torch.bfloat16 if computes_in_bf16(self._device) else torch.float32
        loss_network.to(self._device, self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = [read_style_image(p, options.style_size_px).to(self._device) for p in options.style_images]
        content_weights = options.content_weights or (1.0,) * len(images)
        self._loss = PerceptualLoss(loss_network, images, options.weights, content_weights)
        self._shares = options.style_shares or (1,) * len(images)
        content = options.content_dir
        paths, self._validation = hold_out(packaged_photos() if content is None else find_photos(content))
        self._photos = PhotoCrops(paths, options.crop_px, options.steps * options.batch_size, options.seed)
        if resume:
            self._restore()
        elif options.trunk is not None:
            self._start_near(options.trunk)

    @torch.no_grad()
    def _start_near(self, trunk: Path) -> None:
        """Starts a style from its prediction; without one, from the trunk's style that stylizes most like it."""
        known = load_checkpoint(trunk)
        if not isinstance(known, FastNet) or not isinstance(self._trained, FastNet):
            return
        start = predicted_start(known, self.options.style_images[0])
        if start is None:
            tried = torch.stack([self._photos[i] for i in range(_TRIED_PHOTOS)]).to(self._device)
            start = nearest_style(self._trained, known.style_vectors.to(self._device), self._loss, tried)
        self.start_at(start)

    @torch.no_grad()
    def start_at(self, vector: Tensor) -> None:
        """Starts the one style at a vector, float (vector_size,)."""
        for network in (self._trained, self.network):
            if isinstance(network, FastNet):
                network.style_vectors[0] = vector

    def run(self, report: Callable[[Progress], None]) -> None:
        """Trains to the last step, saving as it goes, and writes the checkpoint at the end.

        Raises:
            TrainingError: the loss became infinite or not a number.
            OSError: a file cannot be written.
        """
        self._stylizer = self._member.synchronized(self._trained)
        for batch in self._batches():
            losses = self._train_step(batch)
            self.step += 1
            report(Progress(self.step, losses))
            if self._member.rank > 0:
                continue
            if self.step % self.options.save_every == 0 or self.step == self.options.steps:
                self.save()
                self.write_preview()

    def save(self) -> None:
        """Writes the checkpoint and, beside it, the state that a resumed run needs."""
        options, seconds = self.options, time.perf_counter() - self._started_s
        options.output.parent.mkdir(parents=True, exist_ok=True)
        training = {"step": self.step, "minutes": round(seconds / 60, 1), **options.recorded}
        network = copy.deepcopy(self.network)
        if isinstance(network, FastNet) and options.trunk is not None:
            network.settle_styles()
            save_style(options.output, network, options.credits[0], training, options.trunk)
        else:
            if isinstance(network, FastNet):
                network.settle()
            save_checkpoint(options.output, network, list(options.credits), training)
        state = {
            "network": self._trained.state_dict(),
            "average": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "step": self.step,
            "styles": list(self.network.style_names),
            "steps": options.steps,
            "seconds": seconds,
        }
        with whole_file(options.state_path) as partial:
            torch.save(state, partial)

    def write_preview(self) -> None:
        """Writes the preview sheet: a row for each of four validation images, a column for each style."""
        stylizers = {name: ImageStylizer(self.network, style) for style, name in enumerate(self.network.style_names)}
        rows = []
        for image in readable_images(self._validation[:_PREVIEW_PHOTOS]):
            square = resize(image, _PREVIEW_WH)
            stylized = [make_cell(name, stylize(square)) for name, stylize in stylizers.items()]
            rows.append([make_cell("photograph", square), *stylized])
        if rows:
            write_still(self.options.preview_path, StillImage(draw_sheet(rows)))

    def _batches(self) -> Iterator[Tensor]:
        """This member's share of every batch from the next step on, each (batch_size / size, 3, crop, crop)."""
        share = self.options.batch_size // self._member.size
        first = self.step * self.options.batch_size + self._member.rank * share
        starts = range(first, len(self._photos), self.options.batch_size)
        rest = Subset(self._photos, [start + i for start in starts for i in range(share)])
        workers = 4 if self._device.type == "cuda" else 0
        return iter(DataLoader(rest, share, num_workers=workers))

    def _train_step(self, photographs: Tensor) -> dict[str, float]:
        terms = self._losses(photographs.to(self._device))  # (N, 3, crop, crop)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise TrainingError(
                f"step {self.step}: the loss is {total.item()}; lower --learning-rate or --style-weight"
            )
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._trained.parameters(), 1.0)
        if torch.isfinite(norm):
            self._optimizer.step()
        else:  # one such gradient would make all weights NaN, and the next checkpoint useless
            _log.warning("step %d: left out, its gradient is %s", self.step, norm.item())
        self._schedule.step()
        self._follow_average()
        return {name: term.item() for name, term in terms.items()}

    def _losses(self, photographs: Tensor) -> dict[str, Tensor]:
        """Stylizes a batch, at random strengths and after random motions, and gives the weighted loss terms."""
        # Drawn anew from the step's number, so that a resumed run draws what an uninterrupted one would.
        draw = torch.Generator().manual_seed((self.options.seed * 1_000_003 + self.step) * 64 + self._member.rank)
        count = len(photographs)
        styles, strengths = self._draw_styles(count), torch.ones(count)
        if self.options.network in ("fast", "fine"):
            weak = torch.rand(count, generator=draw) < _WEAK_SHARE
            strengths = torch.where(weak, torch.rand(count, generator=draw), strengths)
        strengths = strengths.to(self._device)
        stylized = self._stylize(photographs, styles, strengths)
        corner = (float(torch.rand(1, generator=draw)), float(torch.rand(1, generator=draw)))
        terms = self._loss(stylized, photographs, styles, strengths, corner)
        ramp = self._steadiness_ramp()
        weight = self.options.weights.steadiness * ramp
        if weight > 0:
            terms["content"] = terms["content"] * (1 - _CONTENT_LET_GO * ramp)
            motion = random_motion(photographs, draw)
            following = self._stylize(motion.next_frame(photographs), styles, strengths)
            terms["steadiness"] = weight * steadiness_loss(stylized, following, motion)
        return terms

    def _draw_styles(self, count: int) -> Tensor:
        """The styles of this member's images: all take turns as often as their shares say, int64 (N,)."""
        turns_of_round = [i for i, share in enumerate(self._shares) for _ in range(share)]
        number = len(turns_of_round)
        first = self.step * self.options.batch_size + self._member.rank * count
        turns = []
        for item in range(first, first + count):
            order = torch.Generator().manual_seed(self.options.seed * 1_000_003 + item // number)
            turns.append(turns_of_round[int(torch.randperm(number, generator=order)[item % number])])
        return torch.tensor(turns, device=self._device)

    def _stylize(self, photographs: Tensor, styles: Tensor, strengths: Tensor) -> Tensor:
        """Stylizes each photograph in its style at its strength, float32 (N, 3, crop, crop)."""
        network = self._trained
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            vectors = None
            if isinstance(network, FastNet):
                vectors = torch.lerp(network.identity_vector[None], network.style_vectors[styles], strengths[:, None])
            return self._stylizer(photographs, vectors).float()  # type: ignore[no-any-return]

    def _rate(self, step: int) -> float:
        """Factor on the learning rate: up over 3 % of the steps, level, and down from 70 % on."""
        done = step / self.options.steps
        return min(1.0, (step + 1) / (0.03 * self.options.steps), max(0.0, (1 - done) / 0.3))

    def _steadiness_ramp(self) -> float:
        """0 to 1: the steadiness term's share of its weight; all of it from the first step on with `steady_from` 0."""
        if self.options.steady_from == 0:
            return 1.0
        done = self.step / self.options.steps
        return min(1.0, max(0.0, (done - self.options.steady_from) / _STEADY_RAMP))

    @torch.no_grad()
    def _follow_average(self) -> None:
        """Moves the kept weights towards the trained ones: an average over the last hundreds of steps."""
        decay = min(_AVERAGE_DECAY, (self.step + 1) / (self.step + 10))
        for kept, trained in zip(self.network.parameters(), self._trained.parameters(), strict=True):
            kept.lerp_(trained, 1 - decay)

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
            self._trained.load_state_dict(state["network"])
            self.network.load_state_dict(state["average"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
            self.step = state["step"]
            self._started_s -= state["seconds"]
        except (LookupError, RuntimeError, ValueError, TypeError) as error:
            raise TrainingError(f"cannot resume from {path}: {first_reason(error)}") from error

    def _check_same_training(self, state: dict[str, Any]) -> None:
        """Raises ValueError when a state belongs to other styles or another schedule."""
        if tuple(state["styles"]) != self.network.style_names:
            raise ValueError(f"it trains {state['styles']}, not {list(self.network.style_names)}")
        if state["steps"] != self.options.steps:
            raise ValueError(f"it was started with --steps {state['steps']}, not {self.options.steps}; give the same")
        for name, value in self._trained.named_parameters():
            if not value.requires_grad and not torch.equal(state["network"][name], value):
                raise ValueError(f"it trains for another network than {self.options.trunk} holds now")
