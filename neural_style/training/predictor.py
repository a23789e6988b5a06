"""Trains the style predictor: `python -m neural_style.training.predictor --style-dir DIR --content-dir DIR ...`."""

import argparse
import json
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural_style.atomic_file import whole_file
from neural_style.errors import TrainingError
from neural_style.networks.fast_net import FastNet
from neural_style.networks.style_predictor import EPSILON, INPUT_SHORT_SIDE_PX, LARGEST, MAX_ASPECT, StylePredictor
from neural_style.photos import find_photos, hold_out, hold_out_paintings
from neural_style.training.dataset import PhotoCrops
from neural_style.training.loss_weights import default_weights, load_loss_network
from neural_style.training.losses import PerceptualLoss
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import load_checkpoint, trunk_hash
from neural_style.weights.predictor import PREDICTOR_FILE
from neural_style.weights.style_file import write_arrays
from realtime.media.image_file import read_still, readable_images
from realtime.media.resize import middle_part, with_short_side

_log = logging.getLogger(__name__)

_VIEWS = 4
"""How many views of each painting are learned: the whole one, and parts, some in other colours."""

_PHOTOS_AS_STYLES = 88
_SAVE_EVERY = 200
_AVERAGE_DECAY = 0.995
_CODE_WEIGHT = 1e-3
"""Keeps the few numbers that the heads read near zero, where known styles lie."""


@dataclass(frozen=True)
class PredictorOptions:
    """What the predictor learns from.

    Attributes:
        style_dirs: folders of paintings; of the first, every seventh is held out.
        content_dir: folder of photographs.
        loss_weights_file: weights of the distilled loss network.
        output: the `.safetensors` file to write; the state for `resume` lies beside it.
        network: whose vectors are learned, "fast" or "fine". The eyes and the layers that both share are learned
            with "fast"; with "fine" only its head is, and `output` must exist.
        steps: optimizer steps.
        batch_size: photographs per step, each in another style.
        crop_px: side of the photographs' crops.
        style_size_px: shorter side of the paintings that results are compared with.
        seed: of all drawing.
    """

    style_dirs: tuple[Path, ...]
    content_dir: Path
    loss_weights_file: Path
    output: Path = PREDICTOR_FILE
    network: str = "fast"
    steps: int = 3000
    batch_size: int = 4
    crop_px: int = 224
    style_size_px: int = 448
    seed: int = 1

    @property
    def state_path(self) -> Path:
        """Where the state that a killed run goes on from is kept."""
        return self.output.with_suffix(f".{self.network}.training.pt")


def paintings(folders: tuple[Path, ...]) -> tuple[list[Path], list[Path]]:
    """The paintings to learn from, and those held out, which are of the first folder.

    Raises:
        TrainingError: a folder is missing or holds no image.
    """
    first, *others = (find_photos(folder, "style folder") for folder in folders)
    held_out = hold_out_paintings(first)
    return [path for path in first if path not in held_out] + [p for paths in others for p in paths], held_out


class PredictorTraining:
    """Trains through the frozen trunk: the vector of a painting is right if photographs stylized by it are.

    Raises:
        TrainingError: a folder or the loss network is not usable.
        CheckpointError: the networks cannot be read.
    """

    def __init__(self, options: PredictorOptions) -> None:
        self.options = options
        torch.manual_seed(options.seed)
        networks = {name: load_checkpoint(SAVED_MODELS / f"{name}.safetensors") for name in ("fast", "fine")}
        self._networks = {name: network for name, network in networks.items() if isinstance(network, FastNet)}
        sizes = {name: network.vector_size for name, network in self._networks.items()}
        self.predictor = StylePredictor(sizes, width=self._networks["fast"].shape.width)
        self.predictor.start_from(self._networks)
        photos, _ = hold_out(find_photos(options.content_dir))
        images = self._style_images(photos)
        self._views = [_tensor(with_short_side(image, INPUT_SHORT_SIDE_PX)) for image in images]
        loss_network = load_loss_network("distilled", options.loss_weights_file)
        loss_network.to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
        weights = replace(default_weights("distilled"), style=3.5, strokes=3.5)
        aims = [_tensor(with_short_side(image, options.style_size_px)) for image in images]
        self._loss = PerceptualLoss(loss_network, aims, weights, (1.0,) * len(aims))
        self._photos = PhotoCrops(photos, options.crop_px, options.steps * options.batch_size, options.seed)
        self._standardize()
        self._optimizer = torch.optim.Adam(self._groups(), betas=(0.9, 0.99))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self.step, self._average = 0, {name: v.clone() for name, v in self.predictor.state_dict().items()}
        self._restore()

    def run(self) -> None:
        """Trains to the last step, saving as it goes."""
        while self.step < self.options.steps:
            terms = self._train_step()
            self.step += 1
            if self.step % 50 == 0:
                _log.info("%d %s", self.step, " ".join(f"{name} {value:.3f}" for name, value in terms.items()))
            if self.step % _SAVE_EVERY == 0 or self.step == self.options.steps:
                self.save()

    def save(self) -> None:
        """Writes the predictor, in fp16, and the state that a killed run goes on from."""
        state = {"predictor": self.predictor.state_dict(), "average": self._average, "step": self.step}
        with whole_file(self.options.state_path) as partial:
            torch.save(state | {"optimizer": self._optimizer.state_dict()}, partial)
        save_predictor(self.options.output, self._average, self._networks)

    def _train_step(self) -> dict[str, float]:
        options = self.options
        count = options.batch_size
        draw = torch.Generator().manual_seed(options.seed * 1_000_003 + self.step)
        styles = torch.randint(len(self._views), (count,), generator=draw)
        describe, encode = self.predictor.describe, self.predictor.encode
        codes = torch.cat([encode(describe(self._views[style])) for style in styles])  # (N, code)
        photos = torch.stack([self._photos[self.step * count + place] for place in range(count)])
        with torch.autocast("cpu", torch.bfloat16):
            stylized = self._networks[options.network](photos, self.predictor.heads[options.network](codes)).float()
        terms = self._loss(stylized, photos, styles, torch.ones(count), (0.5, 0.5))
        total = torch.stack(list(terms.values())).sum() + _CODE_WEIGHT * codes.square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.predictor.parameters(), 1.0)
        if torch.isfinite(norm):
            self._optimizer.step()
        self._schedule.step()
        self._follow_average()
        return {name: term.item() for name, term in terms.items()}

    def _groups(self) -> list[dict[str, object]]:
        predictor = self.predictor
        if self.options.network == "fine":
            return [{"params": list(predictor.heads["fine"].parameters()), "lr": 1e-3}]
        maps = (predictor.projections, predictor.hidden, predictor.code, predictor.heads["fast"])
        eyes = [p for part in (predictor.stem, predictor.block) for p in part.parameters()]
        return [{"params": eyes, "lr": 1e-4}, {"params": [p for part in maps for p in part.parameters()], "lr": 1e-3}]

    def _rate(self, step: int) -> float:
        """Factor on the learning rate: up over 50 steps, and down over the last two fifths."""
        return min(1.0, (step + 1) / 50, max(0.0, (1 - step / self.options.steps) / 0.4))

    def _style_images(self, photos: list[Path]) -> list[NDArray[np.uint8]]:
        rng = np.random.default_rng(self.options.seed)
        images = []
        for path in paintings(self.options.style_dirs)[0]:
            whole = middle_part(read_still(path, "painting").pixels, MAX_ASPECT)
            images += [whole, *(_part(whole, rng) for _ in range(_VIEWS - 1))]
        every = max(1, len(photos) // _PHOTOS_AS_STYLES)
        return images + [middle_part(image, MAX_ASPECT) for image in readable_images(photos[::every])]

    @torch.no_grad()
    def _standardize(self) -> None:
        descriptions = torch.cat([self.predictor.describe(view) for view in self._views])
        self.predictor.usual.copy_(descriptions.mean(0))
        self.predictor.spread.copy_(descriptions.std(0).clamp_min(EPSILON))

    @torch.no_grad()
    def _follow_average(self) -> None:
        decay = min(_AVERAGE_DECAY, (self.step + 1) / (self.step + 10))
        for name, value in self.predictor.state_dict().items():
            self._average[name].lerp_(value, 1 - decay)

    def _restore(self) -> None:
        """Goes on from the state of a killed run; a head for fine starts from the predictor that is there."""
        options = self.options
        if options.state_path.is_file():
            state = torch.load(options.state_path, weights_only=True)
            self.predictor.load_state_dict(state["predictor"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._average, self.step = state["average"], state["step"]
            self._schedule.last_epoch = self.step
        elif options.network == "fine":
            first = options.output.with_suffix(".fast.training.pt")
            if not first.is_file():
                raise TrainingError(f"predictor: there is no {first}; train with --network fast first")
            self.predictor.load_state_dict(torch.load(first, weights_only=True)["average"])
            self._average = {name: v.clone() for name, v in self.predictor.state_dict().items()}


def save_predictor(path: Path, weights: dict[str, Tensor], networks: dict[str, FastNet]) -> None:
    """Writes a predictor in fp16; the file appears only when whole.

    Args:
        path: ends in `.safetensors`.
        weights: the predictor's, by name.
        networks: whose vectors it predicts.

    Raises:
        OSError: the file cannot be written.
    """
    settings = {"short_side_px": INPUT_SHORT_SIDE_PX, "max_aspect": MAX_ASPECT, "epsilon": EPSILON, "largest": LARGEST}
    header = {
        "family": "predictor",
        "styles": "[]",
        "settings": json.dumps(settings),
        "trunks": json.dumps({name: trunk_hash(net.state_dict()) for name, net in networks.items()}),
    }
    write_arrays(path, {name: value.half().contiguous().numpy() for name, value in weights.items()}, header)


def _part(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A part of an image, perhaps mirrored and with its colours exchanged, brighter or darker."""
    share = rng.uniform(0.55, 0.9)
    height, width = (int(side * share) for side in image.shape[:2])
    top, left = (int(rng.integers(whole - part + 1)) for whole, part in zip(image.shape, (height, width), strict=False))
    part = image[top : top + height, left : left + width]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    if rng.random() < 0.5:
        part = part[:, :, rng.permutation(3)]
    changed = 128 + (part.astype(np.float32) - 128) * rng.uniform(0.75, 1.3) + rng.uniform(-20, 20)
    return changed.clip(0, 255).astype(np.uint8)


def _tensor(image: NDArray[np.uint8]) -> Tensor:
    """uint8 (H, W, 3) to float (1, 3, H, W), values unchanged."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float()


def main() -> None:
    """Runs the command; killed, the same command goes on from the last 200 steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    add, defaults = parser.add_argument, PredictorOptions
    add("--style-dir", dest="style_dirs", type=Path, action="append", required=True, help="paintings (repeatable)")
    add("--content-dir", type=Path, required=True, help="photographs")
    add("--loss-weights", dest="loss_weights_file", type=Path, required=True, help="of the distilled loss network")
    add("-o", "--output", type=Path, default=defaults.output)
    add("--network", choices=("fast", "fine"), default=defaults.network)
    add("--steps", type=int, default=defaults.steps)
    chosen = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    PredictorTraining(PredictorOptions(**chosen | {"style_dirs": tuple(chosen["style_dirs"])})).run()


if __name__ == "__main__":
    main()
