"""Tests of what all scripts share: reading arguments into options, and texts into sizes and times."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.cli import (
    add_engine_arguments,
    add_look_arguments,
    look_is_given,
    parse_size_wh,
    parse_time_s,
    read_options,
)
from realtime.errors import OptionError
from realtime.media.codecs import ENCODERS
from realtime.options import CODEC_NAMES, EngineOptions, LookOptions, WebOptions


def _parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_look_arguments(parser, "a style", "0.5")
    add_engine_arguments(parser, "fine", "1")
    parser.add_argument("--port", type=int)
    return parser.parse_args(arguments)


def test_without_arguments_options_are_their_defaults() -> None:
    assert read_options(LookOptions, _parsed()) == LookOptions()
    assert read_options(EngineOptions, _parsed()) == EngineOptions()
    assert read_options(EngineOptions, _parsed("--batch-size", "auto")) == EngineOptions()
    assert read_options(WebOptions, _parsed()) == WebOptions()


def test_arguments_reach_the_fields_of_their_names() -> None:
    look = ["--style", "udnie", "--strength", "0.25", "--keep-colors", "--smoothing", "0"]
    assert read_options(LookOptions, _parsed(*look)) == LookOptions("udnie", 0.25, True, 0.0)
    engine = ["--engine", "onnx", "--device", "cuda:1", "--precision", "fp16", "--batch-size", "4", "--refresh"]
    read = read_options(EngineOptions, _parsed(*engine, "--provider", "tensorrt"), parallel_batches=3)
    assert read == EngineOptions("onnx", "cuda:1", "fp16", 4, refresh=True, provider="tensorrt", parallel_batches=3)
    assert read_options(WebOptions, _parsed("--port", "0")).port == 0


def test_a_look_is_given_also_where_it_is_the_default() -> None:
    assert not look_is_given(_parsed("--engine", "onnx"))
    for given in (["--style", "candy"], ["--strength", "1"], ["--keep-colors"], ["--smoothing", "0.5"]):
        assert look_is_given(_parsed(*given))


def test_a_value_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(OptionError, match=r"strength 2\.0") as refused:
        read_options(LookOptions, _parsed("--strength", "2"))
    assert refused.value.exit_status == 2
    for parse in (parse_size_wh, parse_time_s):
        with pytest.raises(OptionError) as refused:
            parse("x")
        assert refused.value.exit_status == 2


def test_every_codec_that_can_be_asked_for_has_an_encoder() -> None:
    assert set(CODEC_NAMES) == set(ENCODERS)


@pytest.mark.parametrize(
    ("text", "size_wh"), [("640x480", (640, 480)), ("1280X720", (1280, 720)), ("1x1", (1, 1)), ("0x0", (0, 0))]
)
def test_a_size_is_width_times_height(text: str, size_wh: tuple[int, int]) -> None:
    assert parse_size_wh(text) == size_wh


@pytest.mark.parametrize("text", ["abc", "", "x", "640", "640x", "x480", "640x480x3", "-1x5", "6.4x4", "640 x 480"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError) as refused:
        parse_size_wh(text)
    assert repr(text) in str(refused.value)
    assert "640x480" in str(refused.value)


def test_a_size_in_superscripts_is_refused_too() -> None:
    with pytest.raises(OptionError):
        parse_size_wh("\N{SUPERSCRIPT TWO}x2")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("1:30", 90.0), ("1:00:00.5", 3600.5), ("0", 0.0)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time_s(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "-5", "nan", "inf", "1:-3"])
def test_times_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="write seconds, MM:SS or HH:MM:SS"):
        parse_time_s(text)


NOISE = """
import logging, os, sys, warnings
from realtime import cli
def main():
    os.write(2, b"native\\n")
    warnings.warn("python")
    logging.getLogger("library").warning("logged")
    print("ours", file=sys.stderr)
    return 0
cli.run_script(main)
"""


@pytest.mark.parametrize("verbose", [False, True])
def test_what_libraries_say_is_shown_only_on_request(verbose: bool) -> None:
    command = [sys.executable, "-c", NOISE, *(["--verbose"] if verbose else [])]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    said = [word for word in ("native", "python", "logged", "ours") if word in done.stderr]
    assert said == (["native", "python", "logged", "ours"] if verbose else ["ours"])
