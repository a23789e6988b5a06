from fractions import Fraction
from pathlib import Path

import pytest

from realtime.errors import OptionError, SourceError
from realtime.videos.outputs import FileTask, VideoForm, find_tasks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.mp4", "sub/c.png", "sub/d.avi", "sub/deep/e.heic", "notes.txt", ".hidden.jpg", ".x/f.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"-")
    return tmp_path


def _tasks(
    folder: Path, *inputs: str, output: str = "out", styles: str = "s", overwrite: bool = False
) -> list[FileTask]:
    paths = [text if text == "-" else str(folder / text) for text in inputs]
    place = output if output == "-" else f"{folder / output}{'/' if output.endswith('/') else ''}"
    return find_tasks(paths, place, styles.split(","), overwrite)


def test_one_file_becomes_the_output_itself(folder: Path) -> None:
    (task,) = _tasks(folder, "in/a.jpg", output="b.png")
    assert (task.source, task.targets, task.is_video) == (folder / "in/a.jpg", (folder / "b.png",), False)


def test_one_file_goes_into_a_folder_by_its_name(folder: Path) -> None:
    (folder / "there").mkdir()
    for output in ("there", "new/"):
        assert _tasks(folder, "in/b.mp4", output=output)[0].targets == (folder / output / "b.mp4",)


def test_a_folder_keeps_its_structure_and_only_images_and_videos_count(folder: Path) -> None:
    tasks = _tasks(folder, "in")
    targets = sorted(str(task.targets[0].relative_to(folder / "out")) for task in tasks)
    assert targets == ["a.jpg", "b.mp4", "sub/c.png", "sub/d.mp4", "sub/deep/e.jpg"]
    assert {task.targets[0].name for task in tasks if task.is_video} == {"b.mp4", "d.mp4"}


def test_the_output_inside_of_the_input_is_not_read_again(folder: Path) -> None:
    (folder / "in/out").mkdir()
    (folder / "in/out/old.jpg").write_bytes(b"-")
    assert len(_tasks(folder, "in", output="in/out")) == 5


def test_several_styles_have_their_names_in_the_files(folder: Path) -> None:
    assert _tasks(folder, "in/a.jpg", output="b.jpg", styles="candy,candy:0.6+udnie:0.4")[0].targets == (
        folder / "b_candy.jpg",
        folder / "b_candy_0.6+udnie_0.4.jpg",
    )


def test_standard_input_and_output(folder: Path) -> None:
    assert _tasks(folder, "-", output="-") == [FileTask(None, (), is_video=False)]
    assert _tasks(folder, "-", output="b.png") == [FileTask(None, (folder / "b.png",), is_video=False)]
    assert _tasks(folder, "in/a.jpg", output="-") == [FileTask(folder / "in/a.jpg", (), is_video=False)]


def test_what_is_there_is_not_overwritten_unless_asked(folder: Path) -> None:
    (folder / "b.jpg").write_bytes(b"-")
    with pytest.raises(OptionError, match=r"is there already; use --overwrite"):
        _tasks(folder, "in/a.jpg", output="b.jpg")
    assert len(_tasks(folder, "in/a.jpg", output="b.jpg", overwrite=True)) == 1


def test_the_input_is_never_overwritten(folder: Path) -> None:
    with pytest.raises(OptionError, match="the input itself"):
        _tasks(folder, "in/a.jpg", output="in/a.jpg", overwrite=True)


def test_two_inputs_that_become_one_file_are_refused(folder: Path) -> None:
    (folder / "in/sub/a.jpg").write_bytes(b"-")
    with pytest.raises(OptionError, match="two inputs would become it"):
        _tasks(folder, "in/a.jpg", "in/sub/a.jpg")


@pytest.mark.parametrize(
    ("inputs", "output", "said"),
    [
        (["gone.jpg"], "b.jpg", "no such file"),
        (["in/notes.txt"], "b.jpg", "is neither an image nor a video"),
        (["in/a.jpg"], "b.mp4", "an image must end in"),
        (["in/b.mp4"], "b", "a video must end in"),
        (["-", "in/a.jpg"], "b.jpg", "one file, got 2"),
        (["in/a.jpg"], "in/sub/c.png", "is there already"),
    ],
)
def test_what_cannot_be_is_one_line(inputs: list[str], output: str, said: str, folder: Path) -> None:
    with pytest.raises((OptionError, SourceError), match=said):
        _tasks(folder, *inputs, output=output)


def test_an_empty_folder_is_an_error(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match="no image and no video"):
        _tasks(folder, "empty")


def test_a_device_is_no_output(folder: Path) -> None:
    with pytest.raises(OptionError, match="must end in"):
        find_tasks([str(folder / "in/a.jpg")], "/dev/full", ["s"], overwrite=True)


def test_standard_output_takes_one_style(folder: Path) -> None:
    with pytest.raises(OptionError, match="one style, got 2"):
        _tasks(folder, "-", output="-", styles="a,b")


def test_names_that_only_differ_by_their_ending_stay_apart_and_that_is_said(tmp_path: Path) -> None:
    for name in ("IMG_1.HEIC", "IMG_1.JPG", "IMG_2.HEIC", "a.avi", "a.flv", "a.mp4", "b.gif", "c.wmv"):
        (tmp_path / name).write_bytes(b"-")
    said: list[str] = []
    tasks = find_tasks([str(tmp_path)], str(tmp_path / "out"), ["s"], False, said.append)
    names = {task.source.name: task.targets[0].name for task in tasks if task.source is not None}
    assert names == {
        "IMG_1.HEIC": "IMG_1.HEIC.jpg",
        "IMG_1.JPG": "IMG_1.JPG.jpg",
        "IMG_2.HEIC": "IMG_2.jpg",
        "a.avi": "a.avi.mp4",
        "a.flv": "a.flv.mp4",
        "a.mp4": "a.mp4",
        "b.gif": "b.gif",
        "c.wmv": "c.mp4",
    }
    assert said == ["IMG_1.HEIC becomes IMG_1.HEIC.jpg and 3 more: another input has the name without its ending"]


@pytest.mark.parametrize("inputs", [["in"], ["in/a.jpg", "in/b.mp4"]])
def test_several_files_do_not_become_a_folder_that_is_called_like_a_file(inputs: list[str], folder: Path) -> None:
    with pytest.raises(OptionError, match=r"out\.mp4: several files become a folder; write .*out\.mp4/"):
        _tasks(folder, *inputs, output="out.mp4")
    assert len(_tasks(folder, *inputs, output="out.mp4/")) >= 2


def test_numbered_images_and_folders_of_images_are_one_video(folder: Path) -> None:
    for number in (1, 2):
        (folder / f"in/f{number:03d}.png").write_bytes(b"-")
    (task,) = _tasks(folder, "in/f%03d.png", output="b.mov")
    assert task.is_video
    assert task.sequence is not None
    assert list(task.sequence.files) == [1, 2]
    form = VideoForm(Fraction(24))
    (task,) = find_tasks([str(folder / "in")], str(folder / "b.mov"), ["s"], False, form=form)
    assert task.sequence is not None
    assert [path.name for path in task.sequence.files.values()] == ["a.jpg", "f001.png", "f002.png"]
    (task,) = find_tasks([str(folder / "in")], f"{folder}/out/", ["s"], False, form=form)
    assert task.targets == (folder / "out/in.mp4",)
    with pytest.raises(OptionError, match="fps: is of numbered images"):
        find_tasks([str(folder / "in/b.mp4")], str(folder / "b.mov"), ["s"], False, form=form)
    with pytest.raises(SourceError, match="no file of such a name"):
        _tasks(folder, "in/g%03d.png", output="b.mov")


def test_numbered_images_are_written_over_nothing(folder: Path) -> None:
    (task,) = _tasks(folder, "in/b.mp4", output="o%03d.png")
    assert task.targets == (folder / "o%03d.png",)
    (folder / "o007.png").write_bytes(b"-")
    with pytest.raises(OptionError, match="1 such images are there already"):
        _tasks(folder, "in/b.mp4", output="o%03d.png")
    assert len(_tasks(folder, "in/b.mp4", output="o%03d.png", overwrite=True)) == 1
    with pytest.raises(OptionError, match="images of the input itself"):
        _tasks(folder, "o%03d.png", output="o%03d.png", overwrite=True)


def test_videos_on_standard_input_and_output(folder: Path) -> None:
    form = VideoForm(pipe_format="mkv")
    assert find_tasks(["-"], "-", ["s"], False, form=form) == [FileTask(None, (), is_video=True)]
    assert find_tasks([str(folder / "in/b.mp4")], "-", ["s"], False, form=form)[0].is_video
    assert _tasks(folder, "-", output="b.webm") == [FileTask(None, (folder / "b.webm",), is_video=True)]
    with pytest.raises(OptionError, match="give --format, one of mp4"):
        _tasks(folder, "in/b.mp4", output="-")
