"""Tests of files at paths and at addresses: they appear whole, and nothing is replaced unasked."""

from pathlib import Path

import pytest

from realtime.cluster.manifest import Manifest, known_segments, manifest_address, work_folder
from realtime.cluster.storage import files_below, joined, parent_and_name, storage_of
from realtime.errors import OptionError, SourceError


@pytest.fixture(params=["{}", "file://{}"], ids=["path", "address"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder, as a path and as the address of a file system in which files appear as they are written."""
    return str(request.param).format(tmp_path / "there")


def test_a_file_is_put_placed_and_read_again(place: str, tmp_path: Path) -> None:
    storage, there = storage_of(place), tmp_path / "there"
    scratch = storage.scratch(joined(place, "attempts"))
    (scratch / "a").write_bytes(b"whole")
    storage.put(scratch / "a", joined(place, ".work/a"))
    assert not (scratch / "a").exists()
    assert storage.names(joined(place, ".work")) == {"a"}
    storage.place(joined(place, ".work/a"), joined(place, "a.mp4"), replace=False)
    assert (there / "a.mp4").read_bytes() == b"whole"
    assert [path.name for path in there.iterdir() if path.is_file()] == ["a.mp4"], "no hidden name is left"
    state = storage.state(joined(place, "a.mp4"))
    assert state == storage.state(joined(place, "a.mp4"))
    assert state[0] == 5
    assert storage.get(joined(place, "a.mp4"), tmp_path).read_bytes() == b"whole"
    storage.remove(joined(place, ".work"))
    assert not storage.exists(joined(place, ".work"))


def test_what_is_there_is_replaced_only_when_asked(place: str, tmp_path: Path) -> None:
    storage = storage_of(place)
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        storage.put(tmp_path / name, joined(place, name))
    with pytest.raises(FileExistsError):
        storage.place(joined(place, "one"), joined(place, "two"), replace=False)
    assert (tmp_path / "there" / "two").read_text() == "two"
    storage.place(joined(place, "one"), joined(place, "two"), replace=True)
    assert (tmp_path / "there" / "two").read_text() == "one"


def test_what_is_missing_is_one_line(place: str) -> None:
    with pytest.raises(SourceError, match=r"input .*nothing\.mp4: cannot be read"):
        storage_of(place).state(joined(place, "nothing.mp4"))
    assert storage_of(place).names(joined(place, "no folder")) == set()


def test_a_protocol_that_nobody_knows_is_one_line() -> None:
    with pytest.raises(OptionError, match=r"address gopher://a/b: .*; give a path, or install"):
        storage_of("gopher://a/b")


def test_files_of_a_folder_at_an_address(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a.mp4", "deep/b.png"):
        (tmp_path / "in" / name).write_bytes(b"")
    assert files_below(f"file://{tmp_path}/in") == ["a.mp4", "deep/b.png"]
    assert files_below(f"file://{tmp_path}/in/") == ["a.mp4", "deep/b.png"]
    assert files_below(f"file://{tmp_path}/in/a.mp4") == [""]
    assert files_below(f"file://{tmp_path}/other") == []


@pytest.mark.parametrize(
    ("output", "into_folder", "manifest", "work"),
    [
        ("/a/out", True, "/a/out/manifest.jsonl", "/a/out/.manifest.jsonl.work"),
        ("/a/out.mp4", False, "/a/out.mp4.manifest.jsonl", "/a/.out.mp4.manifest.jsonl.work"),
        ("s3://a/out/", True, "s3://a/out/manifest.jsonl", "s3://a/out/.manifest.jsonl.work"),
        ("s3://a/out.mp4", False, "s3://a/out.mp4.manifest.jsonl", "s3://a/.out.mp4.manifest.jsonl.work"),
    ],
)
def test_a_manifest_lies_beside_the_results(output: str, into_folder: bool, manifest: str, work: str) -> None:
    assert manifest_address(output, into_folder) == manifest
    assert work_folder(manifest) == work
    assert joined(*parent_and_name(manifest)) == manifest


def test_a_manifest_is_known_again_though_a_kill_cut_its_last_line(place: str, tmp_path: Path) -> None:
    address = joined(place, "manifest.jsonl")
    manifest = Manifest(address)
    manifest.put("a", status="waiting")
    manifest.put("b", status="waiting")
    manifest.write(whole=True)
    manifest.put("a", status="done")
    manifest.write()
    file = tmp_path / "there" / "manifest.jsonl"
    file.write_text(file.read_text(encoding="utf-8") + '{"output": "b", "sta', encoding="utf-8")
    again = Manifest(address)
    assert (again.entry("a")["status"], again.entry("b")["status"], again.entry("c")) == ("done", "waiting", {})
    file.write_text("no manifest\n", encoding="utf-8")
    with pytest.raises(SourceError, match="line 1 is damaged, or no line of a manifest; move the file away"):
        Manifest(address)


def test_a_segment_is_known_with_all_its_files_in_every_look(tmp_path: Path) -> None:
    for look, names in {"0": ("00000.nut", "00000.json", "00001.nut", "00001.json"), "1": ("00000.nut", "00000.json",
                        "00001.nut", "00001.begin.npz")}.items():  # fmt: skip
        (tmp_path / look).mkdir()
        for name in names:
            (tmp_path / look / name).write_bytes(b"")
    assert known_segments(str(tmp_path), 2) == {0}
    assert known_segments(str(tmp_path), 1) == {0, 1}
    assert known_segments(str(tmp_path / "none"), 2) == set()
