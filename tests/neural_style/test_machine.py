from importlib.metadata import version
from pathlib import Path

import pytest

from neural_style import machine


@pytest.mark.parametrize(
    ("content", "expected"),
    [("flags : fpu avx512_bf16 sse", True), ("flags : amx_bf16", True), ("flags : avx512f", False), ("", False)],
)
def test_the_system_tells_whether_the_cpu_has_bf16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: bool
) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(content)
    monkeypatch.setattr(machine, "_CPU_INFO", cpu_info)
    assert machine.cpu_has_bf16() is expected
    cpu_info.unlink()
    assert machine.cpu_has_bf16() is False


def test_the_cpu_has_its_name_or_at_least_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text("processor\t: 0\nmodel name\t: Abacus 3000 @ 2 Hz\nprocessor\t: 1\nmodel name\t: another\n")
    monkeypatch.setattr(machine, "_CPU_INFO", cpu_info)
    assert machine.cpu_name() == "Abacus 3000 @ 2 Hz"
    cpu_info.unlink()
    assert machine.cpu_name()


def test_packages_that_are_not_installed_have_no_version() -> None:
    assert machine.package_versions(["numpy", "no-such-package"]) == {"numpy": version("numpy")}
