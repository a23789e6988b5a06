"""Tests of the torch and the onnx engine: the same images, and one line for what cannot be had."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import machines
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from fake_cuda import FakeCuda
from fakes import difference, make_catalogue, noise
from numpy.typing import NDArray

from export.exporter import export_checkpoint
from neural_style.errors import CheckpointError
from neural_style.networks.fast_net import FastNet
from neural_style.networks.transformer_net import TransformerNet
from neural_style.photos import packaged_photo
from neural_style.weights import SAVED_MODELS
from neural_style.weights.checkpoint import StyleCredit, load_checkpoint, save_checkpoint, save_style
from neural_style.weights.onnx_format import seal
from realtime import postprocess
from realtime import style_catalogue as styles
from realtime.engines import Engine, onnx_engine, open_engine, torch_engine
from realtime.engines.onnx_engine import OnnxEngine
from realtime.engines.openvino_engine import OpenVinoEngine
from realtime.engines.torch_engine import TorchEngine
from realtime.engines.torchscript_engine import TorchScriptEngine
from realtime.errors import EngineError, EngineMemoryError, OptionError
from realtime.options import EngineOptions
from realtime.style import Style, together
from realtime.style_catalogue import Catalogue, load_catalogue, open_styles

pytestmark = pytest.mark.skipif(
    not (SAVED_MODELS / "fast.onnx").is_file(), reason="saved_models/ holds no exported styles"
)

CPU_FP32 = EngineOptions(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def engines(catalogue: Catalogue) -> Iterator[dict[str, Engine]]:
    opened: dict[str, Engine] = {
        "torch": TorchEngine(catalogue, CPU_FP32),
        "torchscript": TorchScriptEngine(catalogue, CPU_FP32),
        "onnx": OnnxEngine(catalogue, CPU_FP32),
        "openvino": OpenVinoEngine(catalogue, CPU_FP32),
    }
    yield opened
    for engine in opened.values():
        engine.close()


@pytest.mark.parametrize(
    "size_wh",
    [(96, 64), *(pytest.param(odd, marks=pytest.mark.slow) for odd in [(101, 67), (3, 1), (1, 1), (33, 130)])],
)
def test_all_engines_stylize_the_same_image(
    engines: dict[str, Engine], catalogue: Catalogue, size_wh: tuple[int, int]
) -> None:
    images = noise(size_wh, seed=5)[None]
    for style in catalogue.styles:
        by_torch, *by_others = (engines[name].stylize(images, style) for name in engines)
        for stylized in by_others:
            assert stylized.shape == by_torch.shape == images.shape
            assert stylized.dtype == by_torch.dtype == np.uint8
            # A single pixel is flat: norms divide rounding errors by rounding errors.
            assert difference(by_torch, stylized) < (16 if size_wh == (1, 1) else 2)


LET_GO_IN_A_THREAD = """
import gc, signal, sys, threading
import numpy as np
from realtime.engines import open_named_engine
from realtime.options import EngineOptions
from realtime.style_catalogue import load_catalogue
catalogue = load_catalogue()
engines = [open_named_engine(catalogue, EngineOptions(engine=sys.argv[1], device="cpu", precision="fp32"))]
engines[0].stylize(np.zeros((1, 16, 16, 3), np.uint8), catalogue.styles[0])
engines[0].close()
engines.clear()
letting_go = threading.Thread(target=gc.collect)
letting_go.start()
letting_go.join()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job begins without
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
@pytest.mark.slow
def test_ctrl_c_after_an_engine_was_let_go_of_in_another_thread(name: str) -> None:
    command = [sys.executable, "-c", LET_GO_IN_A_THREAD, name]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "interrupted\n"), ended.stderr


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_batch_is_stylized_like_its_images_one_by_one(
    engines: dict[str, Engine], catalogue: Catalogue, name: str
) -> None:
    images = np.stack([noise((64, 48), seed) for seed in range(3)])
    style = catalogue.styles[1]
    batch = engines[name].stylize(images, style)
    singles = np.concatenate([engines[name].stylize(images[i : i + 1], style) for i in range(3)])
    assert batch.shape == images.shape
    assert int(np.abs(batch.astype(int) - singles.astype(int)).max()) <= 1
    assert difference(batch[0], batch[1]) > 5


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
@pytest.mark.slow
def test_every_style_stylizes_differently_and_none_stylizes_nothing(
    engines: dict[str, Engine], catalogue: Catalogue, name: str
) -> None:
    images = noise((96, 64), seed=6)[None]
    stylized_images = [engines[name].stylize(images, style) for style in catalogue.styles]
    for i, stylized in enumerate(stylized_images):
        assert difference(stylized, images) > 5
        assert stylized.std() > 5
        for other in stylized_images[:i]:
            assert difference(stylized, other) > 2


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
@pytest.mark.parametrize("size_wh", [(96, 64), (101, 67), (1, 1)])
def test_at_strength_0_the_image_comes_back(
    engines: dict[str, Engine], catalogue: Catalogue, name: str, size_wh: tuple[int, int]
) -> None:
    images = noise(size_wh, seed=8)[None]
    for style in catalogue.styles[:3]:
        same = engines[name].stylize(images, style, strength=0.0)
        assert np.abs(same.astype(int) - images.astype(int)).max() <= 1
        assert not np.shares_memory(same, images)


def test_at_strength_0_the_image_comes_back_in_bf16_too(catalogue: Catalogue) -> None:
    engine = TorchEngine(catalogue, EngineOptions(device="cpu", precision="bf16"))
    images = noise((96, 64), seed=8)[None]
    same = engine.stylize(images, catalogue.styles[0], strength=0.0)
    assert np.abs(same.astype(int) - images.astype(int)).max() <= 1


@pytest.mark.parametrize("strength", [0.3, 0.5, 0.8])
@pytest.mark.slow
def test_all_engines_stylize_the_same_image_at_part_of_the_strength(
    engines: dict[str, Engine], catalogue: Catalogue, strength: float
) -> None:
    images = noise((101, 67), seed=5)[None]
    for style in catalogue.styles:
        names = ("torch", "onnx", "openvino")
        by_torch, *by_others = (engines[name].stylize(images, style, strength) for name in names)
        assert all(difference(by_torch, stylized) < 2 for stylized in by_others)


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
@pytest.mark.slow
def test_part_of_the_strength_is_neither_end_nor_a_mixture_of_their_pixels(
    engines: dict[str, Engine], catalogue: Catalogue, name: str
) -> None:
    images = noise((96, 64), seed=9)[None]
    for style in catalogue.styles:
        half, full = (engines[name].stylize(images, style, strength) for strength in (0.5, 1.0))
        assert difference(half, images) > 2
        assert difference(half, full) > 2
        assert difference(half, postprocess.fade(images[0], full[0], 0.5)[None]) > 1


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_blend_stylizes_what_lies_between_its_parts(
    monkeypatch: pytest.MonkeyPatch, catalogue: Catalogue, engines: dict[str, Engine], name: str
) -> None:
    monkeypatch.setattr(styles, "load_catalogue", lambda network="fast": catalogue)
    images = noise((96, 64), seed=6)[None]
    first, second = catalogue.styles[0], catalogue.styles[1]
    whole = [engines[name].stylize(images, style) for style in (first, second)]
    almost = _blend(f"{first.name}:999+{second.name}:1")
    between = engines[name].stylize(images, _blend(f"{first.name}+{second.name}"))
    assert difference(engines[name].stylize(images, almost), whole[0]) < 1
    assert all(difference(between, stylized) > 2 for stylized in whole)


def _blend(text: str) -> Style:
    catalogue, place = open_styles(text)
    return catalogue.styles[place]


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_style_of_its_own_file_is_stylized_by_the_network_beside_it(tmp_path: Path, name: Any) -> None:
    for file in ("fast.safetensors", "fast.onnx"):
        shutil.copy(SAVED_MODELS / file, tmp_path / file)
    stored = load_checkpoint(tmp_path / "fast.safetensors")
    assert isinstance(stored, FastNet)
    mine = FastNet(("mine",), stored.shape)
    mine.load_state_dict({**stored.state_dict(), "style_vectors": stored.style_vectors[[2]]})
    credit = StyleCredit("mine", "a photograph", "mine")
    save_style(tmp_path / "mine.safetensors", mine, credit, {}, tmp_path / "fast.safetensors")
    catalogue, place = open_styles(str(tmp_path / "mine.safetensors"))
    engine = open_engine(catalogue, EngineOptions(engine=name, device="cpu", precision="fp32"), place)
    images, whole = noise()[None], load_catalogue(tmp_path)
    expected = engine.stylize(images, whole.styles[2])
    assert (engine.stylize(images, catalogue.styles[place]) == expected).all()
    assert difference(expected, engine.stylize(images, whole.styles[0])) > 2
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_network_of_one_style_ignores_the_strength(tmp_path: Path, name: Any) -> None:
    torch.manual_seed(0)
    path = tmp_path / "udnie.safetensors"
    save_checkpoint(path, TransformerNet("udnie"), [StyleCredit("udnie", "", "")], {})
    export_checkpoint(path)
    catalogue, place = open_styles(str(path))
    engine = open_engine(catalogue, EngineOptions(engine=name, device="cpu", precision="fp32"), place)
    images = noise((32, 24))[None]
    whole, none = (engine.stylize(images, catalogue.styles[place], strength) for strength in (1.0, 0.0))
    assert (whole == none).all()
    engine.close()


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_style_that_lost_its_network_keeps_no_other_from_running(
    tmp_path: Path, catalogue: Catalogue, name: Any
) -> None:
    lost = replace(catalogue.styles[0], name="lost", checkpoint=tmp_path / "gone.safetensors", fault="lost")
    lost = replace(lost, model_file=tmp_path / "gone.onnx")
    both = Catalogue((*catalogue.styles[:1], lost))
    engine = open_engine(both, EngineOptions(engine=name, device="cpu", precision="fp32"))
    assert engine.stylize(noise()[None], both.styles[0]).shape == noise()[None].shape
    with pytest.raises(EngineError):
        engine.stylize(noise()[None], lost)
    engine.close()


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_stylized_image_is_an_array_of_its_own(engines: dict[str, Engine], catalogue: Catalogue, name: str) -> None:
    images = noise()[None]
    kept = images.copy()
    first = engines[name].stylize(images, catalogue.styles[0])
    before = first.copy()
    engines[name].stylize(255 - images, catalogue.styles[0])
    assert (images == kept).all()
    assert (first == before).all()
    assert not np.shares_memory(first, images)


def test_bf16_is_close_to_fp32(catalogue: Catalogue, engines: dict[str, Engine]) -> None:
    engine = TorchEngine(catalogue, EngineOptions(device="cpu", precision="bf16"))
    assert engine.info.precision == "bf16"
    images = noise((96, 64), seed=7)[None]
    expected = engines["torch"].stylize(images, catalogue.styles[0])
    assert difference(engine.stylize(images, catalogue.styles[0]), expected) < 6


def test_info_says_what_really_runs(engines: dict[str, Engine]) -> None:
    torch_info, onnx_info = engines["torch"].info, engines["onnx"].info
    assert (torch_info.engine, torch_info.device, torch_info.precision, torch_info.provider) == (
        ("torch", "cpu", "fp32", "")
    )
    assert (onnx_info.engine, onnx_info.device, onnx_info.precision) == ("onnx", "cpu", "fp32")
    assert onnx_info.provider == "CPUExecutionProvider"


@pytest.mark.parametrize(("name", "largest"), [("openvino", 6), ("onnx", 12)])
def test_int8_is_close_to_fp32(
    catalogue: Catalogue, engines: dict[str, Engine], name: Any, largest: float, photograph: NDArray[np.uint8]
) -> None:
    engine = open_engine(catalogue, EngineOptions(engine=name, device="cpu", precision="int8"))
    assert (engine.info.engine, engine.info.precision) == (name, "int8")
    for style in catalogue.styles[:4]:
        expected = engines["torch"].stylize(photograph[None], style)
        assert difference(engine.stylize(photograph[None], style), expected) < largest
    engine.close()


@pytest.mark.parametrize("name", ["openvino", "onnx"])
@pytest.mark.parametrize("level", [0, 40, 128, 255])
def test_int8_stylizes_no_bands_in_flat_areas(catalogue: Catalogue, name: Any, level: int) -> None:
    """A soft gradient has no step that is larger than in fp32 by more than a few levels."""
    ramp = np.linspace(level * 0.8, level * 0.8 + 30, 128).astype(np.uint8)
    images = np.repeat(np.repeat(ramp[None, None, :, None], 96, axis=1), 3, axis=3)
    steps = {}
    for precision in ("fp32", "int8"):
        engine = open_engine(catalogue, EngineOptions(engine=name, device="cpu", precision=precision))
        stylized = engine.stylize(images, catalogue.styles[0]).astype(int)
        steps[precision] = np.abs(np.diff(stylized[:, 8:-8, 8:-8], axis=2)).mean()
        engine.close()
    assert steps["int8"] < steps["fp32"] + 2.5


@pytest.fixture
def photograph() -> NDArray[np.uint8]:
    """One like those that int8 was calibrated with: uint8 (H, W, 3)."""
    image = cv2.imread(str(packaged_photo("chelsea.png")))
    assert image is not None
    return np.asarray(cv2.cvtColor(cv2.resize(image, (320, 240)), cv2.COLOR_BGR2RGB), np.uint8)


NO_GPU_CASES = [
    ("torch", {"device": "cuda"}, ["device cuda", "no NVIDIA driver", "--device cpu"]),
    ("torch", {"device": "cuda:3"}, ["device cuda:3", "no NVIDIA driver"]),
    ("torch", {"device": "mps"}, ["device mps", "--device cpu"]),
    ("torch", {"device": "cpu", "precision": "fp16"}, ["precision fp16", "device is cpu", "fp32 or bf16"]),
    ("onnx", {"device": "cuda"}, ["device cuda", "no NVIDIA driver", "--device cpu"]),
    ("onnx", {"device": "cuda:3"}, ["device cuda:3", "no NVIDIA driver"]),
    ("onnx", {"device": "mps"}, ["device mps", "--engine torch"]),
    ("torch", {"device": "cpu", "precision": "int8"}, ["precision int8", "--engine openvino or onnx"]),
    ("openvino", {"device": "cuda"}, ["device cuda", "--device cpu"]),
    ("openvino", {"device": "cpu", "precision": "fp16"}, ["precision fp16", "fp32, bf16, int8"]),
    ("onnx", {"device": "cpu", "precision": "fp16"}, ["precision fp16", "--precision fp32 or int8"]),
    ("onnx", {"device": "cpu", "precision": "bf16"}, ["precision bf16", "--engine torch"]),
    ("auto", {"device": "cpu", "precision": "fp16"}, ["precision fp16"]),
]


@pytest.mark.parametrize(("engine", "wish", "parts"), NO_GPU_CASES)
def test_what_this_machine_cannot_do_is_refused_in_one_line(
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
    engine: Any,
    wish: dict[str, Any],
    parts: list[str],
) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    machines.NO_GPU.take_place(monkeypatch)
    with pytest.raises(EngineError) as refused:
        open_engine(catalogue, EngineOptions(engine=engine, **wish))
    message = str(refused.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_model_file_older_than_its_checkpoint_is_refused(tmp_path: Path) -> None:
    for name in ("fast.safetensors", "fast.onnx"):
        shutil.copy(SAVED_MODELS / name, tmp_path / name)
    _change_hash(tmp_path / "fast.onnx")
    with pytest.raises(EngineError) as refused:
        OnnxEngine(load_catalogue(tmp_path), CPU_FP32)
    message = str(refused.value)
    assert f"model file {tmp_path / 'fast.onnx'}: is not from the checkpoint beside it" in message
    assert "export_onnx.py" in message
    assert "\n" not in message


def _change_hash(model_file: Path) -> None:
    import onnx

    model = onnx.load(str(model_file))
    metadata = {entry.key: entry.value for entry in model.metadata_props if entry.key != "sha256"}
    onnx.helper.set_model_props(model, {**metadata, "content_hash": "f" * 64})
    model_file.write_bytes(seal(model))


def test_a_damaged_model_file_is_named_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy(SAVED_MODELS / "fast.safetensors", tmp_path / "fast.safetensors")
    (tmp_path / "fast.onnx").write_bytes((SAVED_MODELS / "fast.onnx").read_bytes()[:100_000])
    with pytest.raises(EngineError) as refused:
        OnnxEngine(load_catalogue(tmp_path), CPU_FP32)
    assert str(tmp_path / "fast.onnx") in str(refused.value)
    assert "\n" not in str(refused.value)
    assert capfd.readouterr().err == ""


def test_a_damaged_checkpoint_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "fast.safetensors"
    content = bytearray((SAVED_MODELS / "fast.safetensors").read_bytes())
    content[-1000] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match="content hash") as refused:
        TorchEngine(load_catalogue(tmp_path), CPU_FP32)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_styles_without_the_file_that_an_engine_needs_are_refused(name: Any) -> None:
    with pytest.raises(EngineError) as refused:
        open_engine(make_catalogue("candy"), EngineOptions(engine=name, device="cpu"))
    other = "--engine onnx" if name == "torch" else "--engine torch"
    assert other in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_style_that_was_not_opened_is_refused(engines: dict[str, Engine], name: str) -> None:
    with pytest.raises(EngineError, match="'foreign'"):
        engines[name].stylize(noise()[None], make_catalogue("foreign").styles[0])


def test_a_image_that_a_network_cannot_take_is_an_engine_error(
    engines: dict[str, Engine], catalogue: Catalogue
) -> None:
    with pytest.raises(EngineError, match=r"fast\.onnx failed on \(1, 4, 4, 4\)"):
        engines["onnx"].stylize(np.zeros((1, 4, 4, 4), np.uint8), catalogue.styles[0])


def test_the_fp16_file_pads_no_bytes_which_a_gpu_cannot() -> None:
    """ONNX Runtime's CUDA provider has no kernel for it: the CPU would, and the GPU wait."""
    for name in ("fast", "fine"):
        model = onnx.load(str(SAVED_MODELS / f"{name}.fp16.onnx"))
        assert [node.op_type for node in model.graph.node if "frames" in node.input] == ["Shape", "Cast", "Shape"]


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_a_batch_may_have_a_style_for_each_image(engines: dict[str, Engine], catalogue: Catalogue, name: str) -> None:
    images = np.stack([noise((64, 48), seed) for seed in range(3)])
    styles, strengths = catalogue.styles[:3], (1.0, 0.5, 0.0)
    stylized = engines[name].stylize(images, together(styles, strengths))
    for at, (style, strength) in enumerate(zip(styles, strengths, strict=True)):
        alone = engines[name].stylize(images[at : at + 1], style, strength)[0]
        assert difference(stylized[at], alone) < 0.5


def test_tiles_may_have_a_style_for_each_image(catalogue: Catalogue, engines: dict[str, Engine]) -> None:
    images = np.stack([noise((150, 130), seed) for seed in range(2)])
    tiled = TorchEngine(catalogue, CPU_FP32, 128)
    stylized = tiled.stylize(images, together(catalogue.styles[:2], (1.0, 0.7)))
    for at, strength in enumerate((1.0, 0.7)):
        alone = engines["torch"].stylize(images[at : at + 1], catalogue.styles[at], strength)[0]
        assert difference(stylized[at], alone) < 0.5
    tiled.close()


class FakeSession:
    """A session that fell back to another provider than it was asked for."""

    def __init__(self, *_: object) -> None:
        self.asked = True

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]

    def get_modelmeta(self) -> SimpleNamespace:
        return SimpleNamespace(custom_metadata_map={})

    def disable_fallback(self) -> None:
        self.asked = False


def test_a_gpu_that_fails_in_a_run_is_not_replaced_by_the_cpu(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[FakeSession] = []

    class Session(FakeSession):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            opened.append(self)

        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider"]

    machines.WHOLE.take_place(monkeypatch)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    OnnxEngine(catalogue, EngineOptions(device="cuda"))
    assert [session.asked for session in opened] == [False]
    assert hasattr(onnxruntime.capi.onnxruntime_inference_collection.InferenceSession, "disable_fallback")


def test_a_provider_that_is_silently_replaced_is_an_error(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.WHOLE.take_place(monkeypatch)
    monkeypatch.setattr(onnxruntime, "InferenceSession", FakeSession)
    with pytest.raises(EngineError) as refused:
        OnnxEngine(catalogue, EngineOptions(device="cuda"))
    message = str(refused.value)
    assert "CUDAExecutionProvider" in message
    assert "offered CPUExecutionProvider" in message
    assert "--device cpu" in message


def test_the_gpu_that_was_asked_for_is_the_one_that_is_used(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    class Session(FakeSession):
        def __init__(self, path: str, options: object, providers: list[object]) -> None:
            super().__init__(path, options)
            asked.extend(providers)

        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

        def get_modelmeta(self) -> SimpleNamespace:
            return SimpleNamespace(custom_metadata_map={"content_hash": catalogue.styles[0].content_hash})

    machines.WHOLE.take_place(monkeypatch)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    info = OnnxEngine(catalogue, EngineOptions(device="cuda:1")).info
    assert asked == [("CUDAExecutionProvider", {"device_id": 1})]
    assert (info.device, info.provider, info.precision) == ("cuda:1", "CUDAExecutionProvider", "fp16")


PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


@pytest.mark.parametrize(("precision", "halves"), [("fp32", False), ("fp16", True)])
def test_tensorrt_keeps_its_engines_and_leaves_the_rest_to_cuda(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, precision: Any, halves: bool
) -> None:
    asked: list[Any] = []

    class Session(FakeSession):
        def __init__(self, content: bytes, options: object, providers: list[object]) -> None:
            super().__init__()
            asked.extend(providers)

        def get_providers(self) -> list[str]:
            return ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]

    machines.WHOLE.take_place(monkeypatch)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "")
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE")
    imported: list[str] = []
    monkeypatch.setattr("importlib.import_module", lambda name: imported.append(f"{name} {len(asked)}"))
    info = OnnxEngine(catalogue, EngineOptions("onnx", "cuda:1", precision, provider="tensorrt")).info
    (name, settings), cuda = asked
    size = catalogue.styles[0].vector_at(1.0)
    assert size is not None
    shapes = [settings[f"trt_profile_{which}_shapes"] for which in ("min", "opt", "max")]
    assert shapes == [
        f"frames:1x16x16x3,style:1x{len(size)}",
        f"frames:1x720x1280x3,style:1x{len(size)}",
        f"frames:4x1088x1920x3,style:4x{len(size)}",
    ], "one engine for all sizes"
    assert name == "TensorrtExecutionProvider"
    assert (settings["device_id"], settings["trt_engine_cache_enable"], settings["trt_fp16_enable"]) == (
        1,
        True,
        halves,
    )
    assert Path(settings["trt_engine_cache_path"]).is_dir()
    assert cuda == ("CUDAExecutionProvider", {"device_id": 1} if halves else {"device_id": 1, "use_tf32": "0"})
    assert (info.provider, info.precision) == ("TensorrtExecutionProvider", precision)
    assert imported == ["tensorrt 0"], "its libraries are there before a session is opened"
    assert os.environ.get("NVIDIA_TF32_OVERRIDE") == (None if halves else "0")


def test_tensorrt_gets_batches_and_sizes_that_its_engine_is_built_for(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    class Session(FakeSession):
        def get_providers(self) -> list[str]:
            return list(PROVIDERS)

        def run(self, _: object, inputs: dict[str, NDArray[np.uint8]], *__: object) -> list[NDArray[np.uint8]]:
            assert len(inputs["style"]) == len(inputs["frames"])
            counts.append(len(inputs["frames"]))
            return [inputs["frames"]]

    machines.WHOLE.take_place(monkeypatch)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS))
    engine = OnnxEngine(catalogue, EngineOptions("onnx", "cuda", "fp16", provider="tensorrt"))
    images = np.stack([noise((32, 24), seed) for seed in range(7)])
    engine.prepare(images.shape, catalogue.styles[0])
    assert (engine.stylize(images, catalogue.styles[0]) == images).all()
    assert counts == [4, 4, 3]
    with pytest.raises(EngineError, match="frames of 3840x2160: allowed are 16x16 to 1920x1088; use another --size"):
        engine.stylize(np.zeros((1, 2160, 3840, 3), np.uint8), catalogue.styles[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads a Linux library")
def test_the_tensorrt_that_is_told_to_be_installed_is_the_one_that_onnx_runtime_is_linked_to() -> None:
    library = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_tensorrt.so"
    if not library.is_file():
        pytest.skip("this ONNX Runtime comes without TensorRT")
    needed = set(re.findall(rb"libnvinfer\.so\.(\d+)", library.read_bytes()))
    (oldest_not_allowed,) = re.findall(r"tensorrt-cu13<(\d+)", onnx_engine._INSTALL["TensorrtExecutionProvider"])
    assert needed == {str(int(oldest_not_allowed) - 1).encode()}


def test_a_provider_that_was_not_built_or_has_no_gpu_is_refused(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="provider tensorrt: needs an NVIDIA GPU"):
        OnnxEngine(catalogue, EngineOptions("onnx", "cpu", provider="tensorrt"))
    machines.WHOLE.take_place(monkeypatch)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(EngineError, match=r"built without TensorrtExecutionProvider; pip install 'tensorrt-cu13<11'"):
        OnnxEngine(catalogue, EngineOptions("onnx", "cuda", provider="tensorrt"))
    with pytest.raises(OptionError, match="provider cuda: only with --engine onnx, got --engine torch"):
        EngineOptions("torch", provider="cuda")


def test_a_gpu_without_fp16_files_is_given_those_in_fp32_and_a_full_one_says_so(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Session(FakeSession):
        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider"]

        def run(self, _: object, inputs: dict[str, NDArray[np.uint8]], *__: object) -> list[NDArray[np.uint8]]:
            if inputs["frames"].shape[1] <= 16:
                return [inputs["frames"]]
            raise RuntimeError("BFCArena::AllocateRawInternal: Failed to allocate memory for requested buffer")

    for name in ("fast.onnx", "fast.safetensors"):
        shutil.copy(SAVED_MODELS / name, tmp_path)
    machines.WHOLE.take_place(monkeypatch)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    engine = OnnxEngine(load_catalogue(tmp_path), EngineOptions(device="cuda"))
    assert engine.info.precision == "fp32"
    with pytest.raises(EngineMemoryError, match="too small for 1 frames of 32x24 at once"):
        engine.stylize(noise((32, 24))[None], load_catalogue(tmp_path).styles[0])
    with pytest.raises(EngineError, match=r"precision fp16: there is no .*fast\.fp16\.onnx; write it with"):
        OnnxEngine(load_catalogue(tmp_path), EngineOptions(device="cuda", precision="fp16"))


@pytest.mark.parametrize("pattern", ["black", "grey", "white", "checkerboard", "fine checkerboard", "noise"])
def test_the_fp16_file_stylizes_what_fp32_stylizes_also_where_nothing_is_to_be_seen(
    catalogue: Catalogue, engines: dict[str, Engine], pattern: str
) -> None:
    places = np.indices((96, 128)).sum(axis=0)
    planes = {
        "black": places * 0,
        "grey": places * 0 + 119,
        "white": places * 0 + 255,
        "checkerboard": places // 16 % 2 * 255,
        "fine checkerboard": places % 2 * 255,
    }
    image = noise((128, 96)) if pattern == "noise" else np.repeat(planes[pattern][..., None], 3, axis=2)
    images = image[None].astype(np.uint8)
    session = onnxruntime.InferenceSession(SAVED_MODELS / "fast.fp16.onnx", providers=["CPUExecutionProvider"])
    for style in catalogue.styles[:4]:
        vector = style.vector_at(1.0)
        assert vector is not None
        (stylized,) = session.run(None, {"frames": images, "style": vector[None]})
        for name in ("torch", "onnx", "openvino"):
            exact = engines[name].stylize(images, style)
            assert np.abs(stylized.astype(int) - exact).max() <= 16, name


@pytest.mark.parametrize("name", ["torch", "onnx", "openvino"])
def test_an_onnx_file_alone_runs_where_it_can(name: Any) -> None:
    catalogue, first = open_styles(str(SAVED_MODELS / "fast.onnx"))
    options = EngineOptions(engine=name, device="cpu", precision="fp32")
    if name == "torch":
        with pytest.raises(EngineError, match="use --engine onnx"):
            open_engine(catalogue, options, first)
        return
    images = noise()[None]
    engine = open_engine(catalogue, options, first)
    expected = OnnxEngine(load_catalogue(), CPU_FP32).stylize(images, load_catalogue().styles[3])
    # Its vectors are rounded to six digits.
    assert difference(engine.stylize(images, catalogue.styles[3]), expected) < 0.01


@pytest.mark.slow
def test_batches_at_once_are_stylized_as_one_by_one(catalogue: Catalogue) -> None:
    alone = open_engine(catalogue, EngineOptions("openvino", "cpu", "fp32"))
    together = open_engine(catalogue, EngineOptions("openvino", "cpu", "fp32", parallel_batches=2))
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 2
    assert alone.info.parallel_batches == 1
    assert together.info.parallel_batches == min(2, cores)
    style = catalogue.styles[0]
    batches = [noise((64 + 8 * (seed % 2), 48), seed)[None] for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        stylized_images = list(pool.map(lambda batch: together.stylize(batch, style), batches))
    for batch, stylized in zip(batches, stylized_images, strict=True):
        assert difference(alone.stylize(batch, style), stylized) < 0.1
    alone.close()
    together.close()


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_engines_that_use_all_cores_for_one_batch_say_so(catalogue: Catalogue, name: Any) -> None:
    engine = open_engine(catalogue, EngineOptions(name, "cpu", "fp32", parallel_batches=2))
    assert engine.info.parallel_batches == 1
    engine.close()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    cuda = FakeCuda()
    cuda.take_place(monkeypatch)
    monkeypatch.setattr(TorchEngine, "_can_record", staticmethod(lambda _: True))
    return cuda


def test_a_graph_is_recorded_once_for_each_shape_and_batch_at_once(
    cuda: FakeCuda, engines: dict[str, Engine], catalogue: Catalogue
) -> None:
    engine = TorchEngine(catalogue, EngineOptions("torch", "cpu", "fp32", parallel_batches=2))
    assert engine.info.parallel_batches == 2
    first, second = catalogue.styles[:2]
    for shape in [(1, 24, 32, 3), (1, 24, 40, 3)]:
        engine.prepare(shape, first)
    for images, style in [
        (noise((32, 24))[None], first),
        (noise((32, 24), 1)[None], second),
        (noise((40, 24))[None], first),
        (noise((32, 24), 2)[None], first),
    ]:
        wanted = engines["torch"].stylize(images, style, 0.7)
        assert difference(engine.stylize(images, style, 0.7), wanted) < 0.01
    assert [graph.shape for graph in cuda.graphs] == [(1, 24, 32, 3)] * 2 + [(1, 24, 40, 3)] * 2
    engine.close()


def test_a_gpu_without_memory_is_an_engine_error(cuda: FakeCuda, catalogue: Catalogue) -> None:
    cuda.has_memory = False
    engine = TorchEngine(catalogue, EngineOptions("torch", "cpu", "fp32"))
    with pytest.raises(EngineMemoryError, match=r"too small for 1 frames of 32x24"):
        engine.prepare((1, 24, 32, 3), catalogue.styles[0])


def test_fp32_on_a_gpu_is_not_tf32(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "gpu_number", lambda *_: 0)
    monkeypatch.setattr(TorchEngine, "_load_networks", lambda *_: {Path("a"): object()})
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    try:
        convolutions.allow_tf32 = products.allow_tf32 = True
        TorchEngine(catalogue, EngineOptions("torch", "cuda", "fp16"))
        assert convolutions.allow_tf32
        TorchEngine(catalogue, EngineOptions("torch", "cuda", "fp32"))
        assert (convolutions.allow_tf32, products.allow_tf32) == (False, False)
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def test_weights_that_a_gpu_has_no_room_for_are_an_error_in_one_line(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 MiB")

    monkeypatch.setattr(TorchEngine, "_load_networks", fail)
    with pytest.raises(EngineMemoryError, match="too small for the network; close other programs"):
        TorchEngine(catalogue, CPU_FP32)


def test_tiles_are_not_recorded(cuda: FakeCuda, catalogue: Catalogue) -> None:
    engine = TorchEngine(catalogue, EngineOptions("torch", "cpu", "fp32"), 128)
    engine.stylize(noise((150, 130))[None], catalogue.styles[0])
    assert not cuda.graphs


@pytest.mark.needs_cuda
def test_on_a_gpu_graphs_stylize_what_the_cpu_stylizes(engines: dict[str, Engine], catalogue: Catalogue) -> None:
    engine = TorchEngine(catalogue, EngineOptions("torch", "cuda", "fp32", parallel_batches=2))
    batches = [noise((64 + 8 * (seed % 2), 48), seed)[None] for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        stylized_images = list(pool.map(lambda batch: engine.stylize(batch, catalogue.styles[0], 0.7), batches))
    for batch, stylized in zip(batches, stylized_images, strict=True):
        assert difference(engines["torch"].stylize(batch, catalogue.styles[0], 0.7), stylized) < 1
