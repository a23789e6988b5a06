"""Tests of options: each value that is not allowed is refused with what is allowed.

Must not need the command line.
"""

import math
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from realtime.errors import OptionError
from realtime.options import (
    MAX_SIDE_PX,
    EngineOptions,
    FileOptions,
    LookOptions,
    RunOptions,
)
from realtime.show_options import ShowOptions


@pytest.mark.parametrize(
    ("options", "value", "parts"),
    [
        (EngineOptions, {"engine": "keras"}, ["engine 'keras'", "auto, torch, torchscript, onnx"]),
        (EngineOptions, {"precision": "fp8"}, ["precision 'fp8'", "auto, fp32, fp16, bf16"]),
        (EngineOptions, {"device": "tpu"}, ["device 'tpu'", "auto, cpu, cuda, cuda:N, mps"]),
        (EngineOptions, {"device": ""}, ["device ''", "cuda:N"]),
        (EngineOptions, {"device": "cuda:"}, ["device 'cuda:'", "cuda:N"]),
        (EngineOptions, {"device": "cuda:-1"}, ["device 'cuda:-1'", "cuda:N"]),
        (EngineOptions, {"device": "cuda:x"}, ["device 'cuda:x'", "cuda:N"]),
        (EngineOptions, {"device": "cpu:0"}, ["device 'cpu:0'", "cuda:N"]),
        (EngineOptions, {"batch_size": 0}, ["batch-size 0", "1 to 256"]),
        (EngineOptions, {"batch_size": 257}, ["batch-size 257", "1 to 256"]),
        (LookOptions, {"strength": -0.1}, ["strength -0.1", "0 to 1"]),
        (LookOptions, {"strength": 2.0}, ["strength 2.0", "0 to 1"]),
        (LookOptions, {"strength": math.nan}, ["strength nan", "0 to 1"]),
        (LookOptions, {"smoothing": 1.01}, ["smoothing 1.01", "0 to 1"]),
        (LookOptions, {"smoothing": math.inf}, ["smoothing inf", "0 to 1"]),
        (RunOptions, {"sinks": ("window", "printer")}, ["sink 'printer'", "window", "null"]),
        (RunOptions, {"size_wh": (0, 0)}, ["size 0x0", f"1 to {MAX_SIDE_PX}"]),
        (RunOptions, {"size_wh": (640, 0)}, ["size 640x0", f"1 to {MAX_SIDE_PX}"]),
        (RunOptions, {"size_wh": (MAX_SIDE_PX + 1, 8)}, [f"size {MAX_SIDE_PX + 1}x8", f"1 to {MAX_SIDE_PX}"]),
        (RunOptions, {"max_frames": 0}, ["max-frames 0", "at least 1"]),
        (RunOptions, {"record": Path("out.avi")}, ["record out.avi", ".mp4, .mkv, .mov"]),
        (RunOptions, {"record": Path("out")}, ["record out", ".mp4, .mkv, .mov"]),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(options: Any, value: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(OptionError) as refused:
        options(**value)
    message = str(refused.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12", "mps"])
def test_known_devices_are_taken(device: str) -> None:
    assert EngineOptions(device=device).device == device


def test_limits_themselves_are_taken() -> None:
    for batch_size in (1, 256):
        assert EngineOptions(batch_size=batch_size).batch_size == batch_size
    for share in (0.0, 1.0):
        assert LookOptions(strength=share, smoothing=share).strength == share
    assert RunOptions(size_wh=(1, MAX_SIDE_PX), max_frames=1).size_wh == (1, MAX_SIDE_PX)
    for name in ("out.mp4", "out.MKV", "out.mov"):
        assert RunOptions(record=Path(name)).record == Path(name)


def test_options_cannot_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        RunOptions().unpaced = True  # type: ignore[misc]


def test_a_device_number_in_superscripts_is_refused_too() -> None:
    with pytest.raises(OptionError):
        EngineOptions(device="cuda:\N{SUPERSCRIPT TWO}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smoothing": 1.5}, "smoothing 1.5: must be 0 to 1"),
        ({"start_s": 5.0, "end_s": 5.0}, "the end must be later"),
        ({"max_side_px": 8}, "max-side 8: must be 16"),
        ({"tile_px": 64}, "tile 64: must be 128"),
        ({"stroke": 5.0}, "stroke 5.0: must be 0.5 to 4"),
    ],
)
def test_options_of_files_are_checked(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        FileOptions(("in.mp4",), "out.mp4", **changes)


def test_options_that_would_be_ignored_are_refused() -> None:
    for made in (
        lambda: RunOptions(engine=EngineOptions(trust=True)),
        lambda: FileOptions(("a.jpg",), "b.jpg", engine=EngineOptions(trust=True)),
    ):
        with pytest.raises(OptionError, match="trust: is for a TorchScript file as --style, got candy"):
            made()
    with pytest.raises(OptionError, match="cycle-styles ,: a name is missing"):
        ShowOptions(cycle=5.0, cycle_styles=",")
