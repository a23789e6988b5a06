"""Tests of which input becomes which result, where addresses stand in place of paths."""

from pathlib import Path
from typing import Any

import fsspec
import pytest

from realtime.cluster.inputs import find_inputs
from realtime.cluster.storage import place_of
from realtime.errors import OptionError
from realtime.options import FileOptions


def found(*inputs: str, output: str, **more: Any) -> list[str]:
    return [str(one.source) for one in find_inputs(FileOptions(inputs, output, **more), ["candy"], print)[0]]


@pytest.mark.parametrize("output", ["{0}/a.png", "file://{0}/a.png", "file://{0}/", "file://{0}"])
def test_no_input_is_replaced_whatever_its_address(output: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"content is not looked at")
    for source in (f"file://{tmp_path}/a.png", f"{tmp_path}/a.png"):
        with pytest.raises(OptionError, match="is the input itself; choose another name"):
            found(source, output=output.format(tmp_path), overwrite=True)


def test_results_below_the_inputs_are_not_stylized_again() -> None:
    files = fsspec.filesystem("memory")
    for name in ("in/a.png", "in/out/a.png", "in/outer/b.png"):
        files.pipe_file(f"/below/{name}", b"content is not looked at")
    try:
        assert found("memory://below/in", output="memory://below/in/out/") == [
            "memory://below/in/a.png",
            "memory://below/in/outer/b.png",
        ]
        with pytest.raises(OptionError, match="is the input itself"):
            found("memory://below/in", output="memory://below/in", overwrite=True)
    finally:
        files.rm("/below", recursive=True)


def test_options_of_videos_are_refused_where_all_inputs_are_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"content is not looked at")
    for source in (f"file://{tmp_path}/a.png", f"{tmp_path}/a.png"):
        with pytest.raises(OptionError, match="codec: is of videos, and all inputs are images"):
            found(source, output=f"{tmp_path}/out/", codec="hevc")


def test_ways_to_write_an_address_are_one_place(tmp_path: Path) -> None:
    assert place_of(f"file://{tmp_path}/a") == place_of(f"{tmp_path}/b/../a") == str((tmp_path / "a").resolve())
    assert place_of("s3a://bucket//a/") == place_of("s3://bucket/a") != place_of("s3://bucket/b")
