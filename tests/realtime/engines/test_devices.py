"""Tests of what a machine is found to have: its driver, its packages, and what they say when they are tried."""

import ctypes
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest
import torch
from machines import CPU_PROVIDER, CUDA_PROVIDER, GPU_NAME, Machine

from realtime.engines import cuda_probe, devices
from realtime.engines.devices import Gpu, NvidiaDriver, ask_driver, gpu_fault, torch_build
from realtime.options import EngineOptions

ROOT = Path(__file__).resolve().parents[3]


class Driver:
    """The NVIDIA driver's library, as far as it is called."""

    def __init__(self, gpus: list[tuple[str, int, int]], cuda: int = 13000, error: int = 0) -> None:
        self._gpus, self._cuda, self._error = gpus, cuda, error

    def cuInit(self, _: int) -> int:  # noqa: N802
        return self._error

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self._cuda
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self._gpus)
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        device._obj.value = number + 40
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:  # noqa: N802
        name.value = self._gpus[device.value - 40][0].encode()[: size - 1]
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:  # noqa: N802
        value._obj.value = self._gpus[device.value - 40][{75: 1, 76: 2}[attribute]]
        return 0


@pytest.mark.parametrize(("platform", "library"), [("linux", "libcuda.so.1"), ("win32", "nvcuda.dll")])
def test_the_driver_names_its_gpus(monkeypatch: pytest.MonkeyPatch, platform: str, library: str) -> None:
    asked: list[str] = []

    def load(name: str) -> Driver:
        asked.append(name)
        return Driver([(GPU_NAME, 8, 9), ("Tesla P4", 6, 1)], 12080)

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert ask_driver() == NvidiaDriver((Gpu(GPU_NAME, (8, 9)), Gpu("Tesla P4", (6, 1))), (12, 8))
    assert asked == [library]


def test_without_a_driver_there_is_no_gpu_and_nothing_is_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert ask_driver() == NvidiaDriver()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("error", "expected"), [(100, 0), (34, 0), (999, 999), (803, 803)])
def test_a_driver_that_fails_is_not_one_without_a_gpu(
    monkeypatch: pytest.MonkeyPatch, error: int, expected: int
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Driver([(GPU_NAME, 8, 9)], error=error))
    assert ask_driver() == NvidiaDriver(error=expected)
    if expected:
        assert devices.unused_gpu("torch", EngineOptions()) == (
            f"an NVIDIA GPU is not used: its driver fails with CUDA error {expected}; "
            "restart the machine or install the driver again"
        )


def test_what_pytorch_was_built_with_is_what_it_says_itself() -> None:
    build = torch_build()
    assert build is not None
    assert build[0] == torch.__version__
    assert (build[1] is None) == (torch.version.cuda is None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", (13, 0)),
        ('__version__ = "2.13.0+cu130"\ncuda = "12.6"\n', (12, 6)),
        ("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n", None),
    ],
)
def test_the_build_is_read_without_importing_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: tuple[int, int] | None
) -> None:
    (tmp_path / "version.py").write_text(f"from typing import Optional\n{text}")
    monkeypatch.setattr(devices, "find_spec", lambda _: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    build = torch_build()
    assert build is not None
    assert build[0].startswith("2.13.0+c")
    assert build[1] == expected
    monkeypatch.setattr(devices, "find_spec", lambda _: None)
    assert torch_build() is None


OLD_GPU = NvidiaDriver((Gpu("NVIDIA GeForce GTX 1080", (6, 1)),), (13, 0))


@pytest.mark.parametrize(
    ("machine", "engine", "expected"),
    [
        (
            Machine(OLD_GPU),
            "torch",
            "its compute capability is 6.1 and PyTorch 2.13.0+cu130 needs 7.5; run pip install ",
        ),
        (Machine(OLD_GPU), "torch", "torch==2.13.0+cu126 torchvision==0.28.0+cu126"),
        (Machine(OLD_GPU), "torch", "--index-url https://download.pytorch.org/whl/cu126"),
        (
            Machine(OLD_GPU, torch=("2.13.0+cpu", None)),
            "torch",
            "is built without CUDA; run pip install torch==2.13.0+cu126",
        ),
        (Machine(OLD_GPU, torch=("2.13.0+cu126", (12, 6))), "torch", ""),
        (Machine(OLD_GPU), "onnx", "compute capability is 6.1 and ONNX Runtime"),
        (Machine(NvidiaDriver(OLD_GPU.gpus, (12, 0)), torch=("2.13.0+cu126", (12, 6))), "torch", ""),
        (
            Machine(NvidiaDriver(OLD_GPU.gpus, (11, 4)), torch=("2.13.0+cu126", (12, 6))),
            "torch",
            "driver to 525 or newer",
        ),
        (Machine(torch=("9.0+cu150", (15, 0))), "torch", "needs 15.0; update the NVIDIA driver to the newest"),
        (Machine(torch=("2.14.0+cu132", (13, 2))), "torch", ""),
        (Machine(torch=None), "torch", "PyTorch is not installed; run pip install -r requirements.txt"),
        (Machine(onnx_has_cuda=False), "onnx", "pip uninstall -y onnxruntime onnxruntime-gpu"),
    ],
)
def test_the_remedy_fits_the_gpu_the_driver_and_the_build(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, engine: str, expected: str
) -> None:
    machine.take_place(monkeypatch)
    fault = gpu_fault(engine, EngineOptions())
    assert expected in fault
    assert bool(fault) == bool(expected)


TURING = NvidiaDriver((Gpu("NVIDIA GeForce RTX 2060", (7, 5)),), (13, 0))


@pytest.mark.parametrize("engine", ["torch", "torchscript"])
def test_bf16_is_refused_where_it_would_only_be_emulated(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    Machine(TURING).take_place(monkeypatch)
    fault = gpu_fault(engine, EngineOptions(precision="bf16"))
    assert fault == "its compute capability is 7.5 and bf16 needs 8.0; use --precision fp16"
    assert gpu_fault(engine, EngineOptions(precision="fp16")) == ""
    Machine().take_place(monkeypatch)
    assert gpu_fault(engine, EngineOptions(precision="bf16")) == ""


def test_pytorchs_own_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn() -> bool:
        warnings.warn("CUDA initialization: unknown error\nmore", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", warn)
    assert "finds no CUDA device (CUDA initialization: unknown error); " in cuda_probe.torch_fault_on_cuda()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "finds no CUDA device; " in cuda_probe.torch_fault_on_cuda()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert cuda_probe.torch_fault_on_cuda() == ""


class Session:
    """ONNX Runtime with CUDA, which breaks where its test tells it to."""

    offers, fails = CUDA_PROVIDER, False

    def __init__(self, *_: object, **__: object) -> None: ...

    def get_providers(self) -> list[str]:
        return [self.offers]

    def run(self, *_: object) -> None:
        if self.fails:
            raise RuntimeError("cuDNN is not there\nat all")


@pytest.mark.parametrize(
    ("offers", "fails", "expected"),
    [(CUDA_PROVIDER, False, ""), (CPU_PROVIDER, False, "CUDA; "), (CUDA_PROVIDER, True, "(cuDNN is not there); ")],
)
def test_onnx_runtime_is_tried(monkeypatch: pytest.MonkeyPatch, offers: str, fails: bool, expected: str) -> None:
    cuda_probe.onnx_fault_on_cuda.cache_clear()
    monkeypatch.setattr(Session, "offers", offers)
    monkeypatch.setattr(Session, "fails", fails)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    fault = cuda_probe.onnx_fault_on_cuda()
    cuda_probe.onnx_fault_on_cuda.cache_clear()
    assert expected in fault
    assert bool(fault) == bool(expected)


def test_trying_onnx_runtime_prints_nothing_and_the_trial_itself_runs(
    capfd: pytest.CaptureFixture[str],
) -> None:
    cuda_probe.onnx_fault_on_cuda.cache_clear()
    cuda_probe.onnx_fault_on_cuda()
    assert capfd.readouterr() == ("", "")
    session = onnxruntime.InferenceSession(cuda_probe._convolution(), providers=[CPU_PROVIDER])
    assert session.run(None, {})[0] == 1.0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--list-styles"],
        ["--engine", "onnx"],
        pytest.param(["--engine", "openvino"], marks=pytest.mark.slow),
    ],
)
def test_a_quick_start_imports_no_pytorch(tmp_path: Path, arguments: list[str]) -> None:
    script = (
        "import sys, run_webcam\n"
        "try:\n"
        "    status = run_webcam.main(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    status = end.code\n"
        "assert status == 0, status\n"
        "print('imported', [name for name in ('torch', 'openvino') if name in sys.modules])\n"
    )
    frames = ["--source", "pattern", "--size", "64x48", "--sink", "null", "--max-frames", "1"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, *(frames if arguments[0] == "--engine" else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"imported {['openvino'] if 'openvino' in arguments else []}"
