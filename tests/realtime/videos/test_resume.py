"""Tests of the folder beside a video: private or kept, and what another run finds in it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from fakes import noise

from realtime.errors import OptionError, SinkError
from realtime.postprocess import Smoothed
from realtime.videos.resume import WorkFolder, kept_path
from realtime.videos.segments import segment_paths

JOB = {"style": ["candy"], "strength": 1.0}


def add_piece(folder: WorkFolder, number: int) -> None:
    encoded, record = segment_paths(folder.path, number)
    encoded.write_bytes(b"images")
    content = {"frames": 2, "durations": {str(number * 2): 1, str(number * 2 + 1): 1}}
    record.write_text(json.dumps(content | {"sha256": hashlib.sha256(b"images").hexdigest()}))


def test_a_private_folder_goes(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "a.mp4", None)
    add_piece(folder, 0)
    folder.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_kept_folder_stays_with_work_in_it_and_only_then(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "a.mp4", JOB)
    folder.leave()
    assert list(tmp_path.iterdir()) == []
    folder = WorkFolder(tmp_path / "a.mp4", JOB)
    add_piece(folder, 0)
    folder.leave()
    assert list(tmp_path.iterdir()) == [kept_path(tmp_path / "a.mp4")]


def test_pieces_with_their_state_are_found_and_begun_ones_removed(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "a.mp4", JOB)
    for number in range(3):
        add_piece(folder, number)
    folder.save_state(2, None)  # the third piece was finished, and not what smoothing remembers
    segment_paths(folder.path, 3)[0].write_bytes(b"begun")
    assert [record.frames for record in folder.finished()] == [2, 2]
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "00000.json",
        "00000.nut",
        "00001.json",
        "00001.nut",
        "00002.npz",
        "job.json",
    ]


def test_what_smoothing_remembers_is_kept_exactly(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "a.mp4", JOB)
    smoothed = Smoothed(noise(seed=1), noise().astype(np.float32), noise(), np.ones((6, 8, 3), np.float32))
    folder.save_state(1, smoothed)
    folder.save_state(2, None)
    kept = folder.load_state(1)
    assert kept is not None
    assert all(np.array_equal(vars(kept)[name], vars(smoothed)[name]) for name in vars(smoothed))
    assert folder.load_state(2) is None
    folder.save_state(3, None)
    assert sorted(path.name for path in folder.path.glob("*.npz")) == ["00002.npz", "00003.npz"]


def test_another_job_is_refused_by_name(tmp_path: Path) -> None:
    WorkFolder(tmp_path / "a.mp4", JOB)
    with pytest.raises(OptionError, match="begun with another strength, style"):
        WorkFolder(tmp_path / "a.mp4", {"style": ["udnie"], "strength": 0.5})


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="choose another place"):
        WorkFolder(tmp_path / "file" / "a.mp4", None)


def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    running = WorkFolder(tmp_path / "a.mp4", None)
    killed = tmp_path / ".a.mp4.999999999.partial"
    other = tmp_path / ".b.mp4.999999999.partial"
    killed.mkdir()
    other.mkdir()
    again = WorkFolder(tmp_path / "a.mp4", None)
    assert not killed.exists()
    assert other.exists()
    assert again.path == running.path
    assert again.path.is_dir()


DAMAGED = {
    "an emptied record": ("00001.json", b""),
    "a halved record": ("00001.json", b'{"frames": 2, "dura'),
    "a record of something else": ("00001.json", b"[1, 2]"),
    "an emptied piece": ("00001.nut", b""),
    "a halved piece": ("00001.nut", b"ima"),
    "an emptied state": ("00002.npz", b""),
    "a state of something else": ("00002.npz", b"PK\x03\x04 and no more"),
}


@pytest.mark.parametrize(("name", "content"), DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_damaged_is_done_again(tmp_path: Path, name: str, content: bytes) -> None:
    folder = WorkFolder(tmp_path / "a.mp4", JOB)
    add_piece(folder, 0)
    folder.save_state(1, None)
    add_piece(folder, 1)
    folder.save_state(2, None)
    (folder.path / name).write_bytes(content)
    assert len(folder.finished()) == 1
    assert sorted(path.name for path in folder.path.iterdir()) == ["00000.json", "00000.nut", "00001.npz", "job.json"]


def test_without_a_word_of_how_they_were_made_all_pieces_are_done_again(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "a.mp4", JOB)
    add_piece(folder, 0)
    folder.save_state(1, None)
    (folder.path / "job.json").write_bytes(b"")
    again = WorkFolder(tmp_path / "a.mp4", JOB)
    assert again.finished() == []
    assert json.loads((again.path / "job.json").read_text()) == JOB
