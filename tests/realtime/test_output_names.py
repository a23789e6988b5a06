"""Tests of which names a run may write."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.errors import OptionError, SinkError
from realtime.output_names import NameLock, check_output, held_names, is_held, lock_path

ROOT = Path(__file__).resolve().parents[2]


def test_a_new_name_may_be_written_and_one_that_is_there_only_when_asked(tmp_path: Path) -> None:
    check_output("stats", tmp_path / "s.json", [], [], overwrite=False)
    (tmp_path / "s.json").touch()
    with pytest.raises(OptionError, match=r"stats .*s\.json: is there already; use --overwrite"):
        check_output("stats", tmp_path / "s.json", [], [], overwrite=False)
    check_output("stats", tmp_path / "s.json", [], [], overwrite=True)


@pytest.mark.parametrize("name", ["a.mp4", "link.mp4", "hard.mp4", "folder/../a.mp4"])
def test_an_input_is_never_written_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    os.link(tmp_path / "a.mp4", tmp_path / "hard.mp4")
    with pytest.raises(OptionError, match="is an input of this run"):
        check_output("stats", tmp_path / name, [tmp_path / "a.mp4"], [], overwrite=True)


def test_two_outputs_are_not_one_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is another output of this run"):
        check_output("stats", tmp_path / "a.mp4", [], [tmp_path / "b.mp4", tmp_path / "x" / ".." / "a.mp4"], True)


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no folder"):
        check_output("stats", tmp_path / "none" / "s.json", [], [], overwrite=False)


def test_a_name_is_held_until_it_is_let_go_of(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with held_names([path], overwrite=False):
        assert is_held(path)
        with pytest.raises(SinkError, match=rf"process {os.getpid()} is writing it; wait until that ends"):
            NameLock(path)
    assert not is_held(path)
    assert list(tmp_path.iterdir()) == []


def test_of_several_names_that_cannot_all_be_had_none_is_held(tmp_path: Path) -> None:
    (tmp_path / "b.mp4").touch()
    with (
        pytest.raises(SinkError, match=r"b\.mp4: is there already"),
        held_names([tmp_path / "a.mp4", tmp_path / "b.mp4"], overwrite=False),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    program = (
        f"from pathlib import Path; from realtime.output_names import NameLock; lock = NameLock(Path({str(path)!r}))"
    )
    program += "; print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(SinkError, match=rf"process {process.pid} is writing it"):
            NameLock(path)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert lock_path(path).exists()
    NameLock(path).release()
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_locked_the_writer_says_what_is_wrong(tmp_path: Path) -> None:
    NameLock(tmp_path / "none" / "a.mp4").release()
    NameLock(tmp_path / f"{'x' * 300}.mp4").release()
