"""Owns writing a checked model file: exported, compared with PyTorch, and only then kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.graph import OPSET, GraphForm, build_model
from export.options import Precision, Runtime
from export.quantization import to_fp16, to_int8
from neural_style.atomic_file import whole_file
from neural_style.errors import StylizationError
from neural_style.networks.fast_net import FastNet
from neural_style.photos import find_photos, packaged_photos
from neural_style.weights.checkpoint import StyleNetwork, content_hash, load_checkpoint, read_header
from neural_style.weights.onnx_format import seal
from neural_style.weights.state_dict import first_reason
from realtime.media.image_file import readable_images
from realtime.media.resize import resize

FORMAT_VERSION = 2

CHECKED_SIZES_NHW = ((1, 64, 96), (1, 67, 101), (1, 5, 6), (1, 130, 33), (3, 48, 50))
"""Batch, height and width of the images that the check compares: whole cells, odd, tiny, tall, a batch.

None is smaller than 5 px: the norms of an image with equal rows divide rounding errors
by almost nothing, so that there even PyTorch in float32 and in float64 disagree.
"""

MAX_MEAN_DIFFERENCE = {"fp32": 0.1, "fp16": 1.0, "int8": 6.0}
MAX_DIFFERENCE = {"fp32": 2.0, "fp16": 255.0, "int8": 255.0}
"""On the 0..255 scale. With fp16 and int8, single pixels of a hard edge may change by much."""

MIN_PSNR_DB = {"fp32": 50.0, "fp16": 35.0, "int8": 27.0}

_CALIBRATION_SIZE_WH = (320, 240)
_CALIBRATION_IMAGES = 24
_CALIBRATION_FEEDS = 36
"""Pairs of an image and a style; with each round through the images they are paired with other styles."""

Frames = NDArray[np.uint8]


class ExportError(StylizationError):
    """An exported model file does not give what PyTorch gives."""


@dataclass(frozen=True)
class ExportOptions(GraphForm):
    """How a model file is written, and what goes in and out of it.

    Attributes:
        precision: of convolutions.
        runtime: that int8 is for; that for ONNX Runtime is larger and loses more quality.
        photo_dir: photographs to calibrate int8 with; None takes those of scikit-image.
    """

    precision: Precision = "fp32"
    runtime: Runtime = "openvino"
    photo_dir: Path | None = None

    @property
    def suffix(self) -> str:
        """What follows a checkpoint's name when no file is named."""
        if self.precision == "int8" and self.runtime == "onnxruntime":
            return ".int8-ort.onnx"
        return ".onnx" if self.precision == "fp32" else f".{self.precision}.onnx"


@dataclass(frozen=True)
class Parity:
    """How far the model file is from PyTorch, over all that was compared, on the 0..255 scale.

    Attributes:
        mean_difference: mean absolute difference.
        max_difference: largest.
        psnr_db: peak signal to noise ratio; about 360 where nothing differs.
        provider: the ONNX Runtime execution provider that ran the file.
    """

    mean_difference: float
    max_difference: float
    psnr_db: float
    provider: str


def export_checkpoint(
    checkpoint: Path, output: Path | None = None, options: ExportOptions = ExportOptions()
) -> tuple[Path, Parity]:
    """Exports a checkpoint, by default to the same name with `.onnx` or `.int8.onnx`.

    Returns:
        The file, and what the check measured.

    Raises:
        CheckpointError: the checkpoint cannot be read.
        ExportError: the file's images differ from PyTorch's.
        MissingPackageError: int8 has no photographs to calibrate with.
        OSError: the file cannot be written.
    """
    target = output or checkpoint.with_suffix(options.suffix)
    network = load_checkpoint(checkpoint)
    header = read_header(checkpoint) if checkpoint.suffix.lower() == ".safetensors" else {}
    return target, export_network(network, target, header.get("credits", "[]"), options)


def export_network(
    network: StyleNetwork, output: Path, style_credits: str = "[]", options: ExportOptions = ExportOptions()
) -> Parity:
    """Writes a network as one self-contained `.onnx` file with metadata, and checks it.

    Args:
        network: in float32, on the CPU.
        output: the file; it appears only when the check has passed.
        style_credits: JSON list of the style images' sources and licences.
        options: how.

    Returns:
        What the check measured.

    Raises:
        ExportError: the file's images differ from PyTorch's, or its name does not end in .onnx.
        MissingPackageError: int8 has no photographs to calibrate with.
        OSError: the file cannot be written.
    """
    if output.suffix != ".onnx":
        raise ExportError(f"model file {output}: must end in .onnx")
    photographs = _photographs(options.photo_dir) if options.precision == "int8" else []
    model = _in_precision(build_model(network, options), network, options, photographs)
    onnx.helper.set_model_props(model, _metadata(network, style_credits, options))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"model file {output}: breaks the ONNX standard ({first_reason(error)})") from error
    with whole_file(output) as partial:
        partial.write_bytes(seal(model))
        parity = compare_with_torch(network, partial, options, photographs[:4])
        _check(parity, output, options.precision)
    return parity


def _in_precision(
    model: onnx.ModelProto, network: StyleNetwork, options: ExportOptions, photographs: Sequence[Frames]
) -> onnx.ModelProto:
    if options.precision == "fp16":
        return to_fp16(model)
    if options.precision == "fp32":
        return model
    vectors = _vectors(network, options)
    feeds = []
    for place in range(max(_CALIBRATION_FEEDS, len(vectors))):
        rounds, photograph = divmod(place, len(photographs))
        feeds.append(_feed(photographs[photograph], vectors[(place + rounds) % len(vectors)], options))
    return to_int8(model, feeds, options.runtime == "onnxruntime")


def _metadata(network: StyleNetwork, style_credits: str, options: ExportOptions) -> dict[str, str]:
    return {
        "format": str(FORMAT_VERSION),
        "opset": str(OPSET),
        "precision": options.precision,
        "runtime": options.runtime if options.precision == "int8" else "any",
        "frames": options.words,
        **style_metadata(network, style_credits, has_vectors=options.style is None),
    }


def style_metadata(network: StyleNetwork, style_credits: str, has_vectors: bool = True) -> dict[str, str]:
    """What an exported file of any kind says of its styles.

    Args:
        network: what it holds.
        style_credits: JSON list of the style images' sources and licences.
        has_vectors: False where a style is part of the file.
    """
    has_vectors = has_vectors and isinstance(network, FastNet)
    return {
        "family": network.family,
        "styles": json.dumps(list(network.style_names)),
        "style_vectors": json.dumps(_rounded(network.style_vectors) if has_vectors else []),  # type: ignore[arg-type]
        "identity_vector": json.dumps(_rounded(network.identity_vector) if has_vectors else []),  # type: ignore[arg-type]
        "content_hash": content_hash({name: value.contiguous() for name, value in network.state_dict().items()}),
        "credits": style_credits,
        "licence": "BSD-3-Clause for the network; images that styles were learned from: see credits",
    }


def compare_with_torch(
    network: StyleNetwork,
    model_file: Path,
    options: ExportOptions = ExportOptions(),
    photographs: Sequence[Frames] = (),
) -> Parity:
    """Runs images of several sizes through both, with every style and the identity.

    Args:
        network: in float32, on the CPU.
        model_file: what is compared with it.
        options: what it was written with.
        photographs: uint8 (1, H, W, 3); with them, random images are only run and not compared,
            because fp16 and int8 are right for images like those that int8 was calibrated with.
    """
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model_file), quiet, providers=["CPUExecutionProvider"])
    rng, expected, given = np.random.default_rng(0), [], []
    for vector in _vectors(network, options):
        random_images = [_smooth_noise(rng, *size) for size in CHECKED_SIZES_NHW]
        for frames in [*random_images, *photographs]:
            (exported,) = session.run(None, _feed(frames, vector, options))
            if exported.shape != (frames.transpose(0, 3, 1, 2) if options.floats else frames).shape:
                raise ExportError(f"model file {model_file}: gives shape {exported.shape} for {frames.shape}")
            if photographs and frames.shape[0:3] in CHECKED_SIZES_NHW:
                continue
            if options.floats:
                exported = np.round(exported.transpose(0, 2, 3, 1) * 255)
            expected.append(_expected(network, frames, vector).ravel())
            given.append(exported.astype(np.float32).ravel())
    all_expected, all_given = np.concatenate(expected), np.concatenate(given)
    difference, psnr_db = np.abs(all_expected - all_given), cv2.PSNR(all_expected, all_given, R=255.0)
    return Parity(float(difference.mean()), float(difference.max()), psnr_db, session.get_providers()[0])


def _check(parity: Parity, output: Path, precision: str) -> None:
    mean, largest, psnr_db = MAX_MEAN_DIFFERENCE[precision], MAX_DIFFERENCE[precision], MIN_PSNR_DB[precision]
    if not (parity.mean_difference <= mean and parity.max_difference <= largest and parity.psnr_db >= psnr_db):
        raise ExportError(
            f"model file {output}: differs from PyTorch by {parity.mean_difference:.3f} on average and by "
            f"{parity.max_difference:.0f} at most (PSNR {parity.psnr_db:.1f} dB); allowed are {mean} and "
            f"{largest:.0f} (at least {psnr_db:.0f} dB); nothing was kept"
        )


def _vectors(network: StyleNetwork, options: ExportOptions) -> list[Tensor | None]:
    """The style vectors to run, each (1, vector_size); None where the style is in the weights."""
    if not isinstance(network, FastNet):
        return [None]
    if options.style is not None:
        return [torch.from_numpy(options.style)[None]]
    vectors = [vector[None].detach() for vector in network.style_vectors]
    return [*vectors, network.identity_vector[None].detach()] if options.precision == "fp32" else [*vectors]


def _feed(frames: Frames, vector: Tensor | None, options: ExportOptions) -> dict[str, NDArray[np.generic]]:
    feed: dict[str, NDArray[np.generic]] = {"frames": frames}
    if options.floats:
        feed["frames"] = (frames.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    if vector is not None and options.style is None:
        feed["style"] = np.repeat(vector.numpy(), len(frames), axis=0)
    return feed


@torch.inference_mode()
def _expected(network: StyleNetwork, frames: Frames, vector: Tensor | None) -> NDArray[np.float32]:
    stylized = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), vector)
    return np.asarray(stylized.clamp(0, 255).round().permute(0, 2, 3, 1).numpy(), np.float32)


def _photographs(folder: Path | None) -> list[Frames]:
    """Photographs spread over a folder, each uint8 (1, 240, 320, 3)."""
    paths = packaged_photos("--photo-dir") if folder is None else find_photos(folder, "photo folder")
    chosen = paths[:: max(1, len(paths) // _CALIBRATION_IMAGES)][:_CALIBRATION_IMAGES]
    return [resize(image, _CALIBRATION_SIZE_WH)[None] for image in readable_images(chosen)]


def _rounded(values: Tensor) -> list[Any]:
    """A tensor as nested lists of numbers with seven significant digits, which is what float32 holds."""
    if values.dim() > 1:
        return [_rounded(row) for row in values]
    return [float(f"{value:.7g}") for value in values.tolist()]


def _smooth_noise(rng: np.random.Generator, n: int, height: int, width: int) -> Frames:
    """Random images with large shapes as well as pixels: uint8 (N, H, W, 3)."""
    coarse = rng.integers(0, 256, (n, height // 16 + 1, width // 16 + 1, 3))
    large = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    mixed = 0.7 * large + 0.3 * rng.integers(0, 256, (n, height, width, 3))
    return mixed.astype(np.uint8)
