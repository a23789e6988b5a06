"""Tests of `whole_file`: a file is there whole, or as it was before.

Knows nothing of what is written.
"""

from pathlib import Path

import pytest

from neural_style import atomic_file
from neural_style.atomic_file import keep_partial_as, partial_path, remove_partials, whole_file


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with whole_file(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_the_name_to_write_to_is_hidden_beside_the_file_and_keeps_its_suffix(tmp_path: Path) -> None:
    partial = partial_path(tmp_path / "clip.mp4")
    assert partial.parent == tmp_path
    assert partial.suffix == ".mp4"
    assert partial.name.startswith(".clip.")
    assert ".partial." in partial.name, ".gitignore knows it by this"


@pytest.mark.parametrize("kind", [ValueError, OSError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path, kind: type[BaseException]) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(kind, match="no more"), whole_file(target) as partial:
        partial.write_text("half")
        raise kind("no more")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("a longer old text")
    with whole_file(target) as partial:
        partial.write_text("new")
    assert target.read_text() == "new"


def test_a_move_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(OSError, match="folder"), whole_file(target) as partial:
        partial.write_text("whole")
    assert list(tmp_path.iterdir()) == [target]
    assert list(target.iterdir()) == []


def test_a_writer_that_wrote_nothing_is_an_error_and_the_old_file_stays(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(FileNotFoundError), whole_file(target):
        pass
    assert target.read_text() == "old"


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
def test_a_file_that_came_to_be_there_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr("os.link", _no_links)
    target = tmp_path / "out.txt"
    with pytest.raises(FileExistsError, match="is there already"), whole_file(target, replace=False) as partial:
        partial.write_text("new")
        target.write_text("of another program")
    assert target.read_text() == "of another program"
    with whole_file(tmp_path / "other.txt", replace=False) as partial:
        partial.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.txt", "out.txt"]


def _no_links(*_: object) -> None:
    raise PermissionError("no links here")


def test_at_an_early_end_partial_files_go_and_those_of_use_get_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_file, "_partials", {})
    partial_path(tmp_path / "a.txt").write_text("a")
    partial_path(tmp_path / "b.mp4").write_text("b")
    keep_partial_as(partial_path(tmp_path / "b.mp4"), tmp_path / "b.incomplete.mp4")
    (tmp_path / "b.incomplete.mp4").write_text("earlier")
    remove_partials()
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert left == {"b.incomplete.mp4": "earlier", "b.incomplete_2.mp4": "b"}
