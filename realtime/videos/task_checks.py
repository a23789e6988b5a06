"""Owns what goes together: options with the kinds of inputs and outputs, and what a codec cannot hold."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from realtime.errors import OptionError, SourceError
from realtime.media.codecs import GIF_INTERVAL_S, Encoder, VideoFormat, find_encoder
from realtime.media.image_kind import check_image_kind
from realtime.media.still_reader import is_animation, is_pattern
from realtime.media.video_reader import VideoReader
from realtime.options import FileOptions
from realtime.videos.outputs import STANDARD, FileTask
from realtime.videos.tracks import Note


def find_task_encoder(task: FileTask, options: FileOptions) -> Encoder:
    """The encoder of a video's task; for numbered images, which need none, any."""
    target = task.targets[0] if task.targets else Path(f"{STANDARD}.{options.pipe_format}")
    return find_encoder(options.codec, ".mkv" if is_pattern(target.name) else target.suffix.lower())


def check_video(task: FileTask, options: FileOptions) -> None:
    """Checks the options that do not go with every video.

    Raises:
        OptionError: one does not go with this one.
    """
    if options.sheet:
        raise OptionError(f"sheet: {task.source or 'standard input'} is a video; give images, or leave --sheet out")
    in_images = bool(task.targets) and is_pattern(task.targets[0].name)
    if in_images and options.codec is not None:
        raise OptionError(f"codec {options.codec}: output {task.targets[0]} is images; leave --codec out")
    encoder = find_task_encoder(task, options)
    is_file = task.source is not None and task.sequence is None and bool(task.targets)
    if options.resume and (in_images or not is_file or not encoder.piece_format):
        raise OptionError("resume: only for a video file that becomes another, and no GIF; leave --resume out")


def check_images(tasks: Sequence[FileTask], options: FileOptions) -> None:
    """Checks that no option is of videos where all inputs are images.

    Raises:
        OptionError: one is.
    """
    if any(task.is_video for task in tasks):
        return
    end = options.end_s is not None
    given = {"codec": options.codec, "start": options.start_s > 0, "end": end, "resume": options.resume}
    for name, value in given.items():
        if value:
            raise OptionError(f"{name}: is of videos, and all inputs are images; leave --{name} out")


def unreadable(task: FileTask, options: FileOptions) -> str:
    """Why an input cannot be stylized, found out without an engine; "" for none, and for what only its end shows."""
    if task.source is None or task.sequence is not None or is_animation(task.source):
        return ""
    try:
        if not task.is_video:
            check_image_kind(task.source)
            return ""
        with closing(VideoReader(task.source)) as reader:
            end_s = float(reader.info.frames / reader.info.rate)
    except SourceError as error:
        return str(error)
    if 0 < end_s + 1 < options.start_s:
        return f"video {task.source}: ends at {end_s:.1f} s, before --start {options.start_s:g} s; choose another"
    return ""


def note_changes(video_format: VideoFormat, encoder: Encoder, target: Path | None, note: Note) -> None:
    """Tells what of a video its codec cannot hold; numbered images have none."""
    if target is not None and is_pattern(target.name):
        return
    if video_format.alpha and not video_format.keeps_alpha(encoder):
        note(
            "transparency: the codec has none, so the video is put on white; "
            "--codec prores in .mov, vp9 in .webm and images such as %05d.png keep it"
        )
    if video_format.tags != video_format.tags_for(encoder):
        note("full range: the codec has none; written in the limited range, which looks the same")
    if encoder.ffmpeg_name == "gif" and video_format.rate * GIF_INTERVAL_S > 1:
        note(f"a GIF shows 50 frames a second at most; of {float(video_format.rate):.4g} some are left out")
    coded_wh, size_wh = video_format.coded_size_wh(encoder), video_format.size_wh
    if coded_wh != size_wh:
        note(
            f"size {size_wh[0]}x{size_wh[1]}: the codec needs even sides; "
            f"written as {coded_wh[0]}x{coded_wh[1]}, the last row or column repeated"
        )
