"""Owns stylizing a recorded show again: all its frames in full size, each with the look that it had."""

import shutil
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from neural_style.atomic_file import partial_folder
from realtime.controls import Controls
from realtime.engines import open_engine
from realtime.errors import OptionError
from realtime.frame import Frame
from realtime.input_recording import LookAt, read_looks
from realtime.interrupts import INTERRUPTED
from realtime.live import Pipeline
from realtime.look import Look
from realtime.media.whole_output import whole_output
from realtime.options import PARALLEL_BATCHES, VIDEO_SUFFIXES, FileOptions, LookOptions, RunOptions
from realtime.output_names import held_names
from realtime.show_options import ShowOptions
from realtime.sinks.protocol import Sink, StylizedFrame
from realtime.sinks.video_file import VideoFileSink
from realtime.sources.video_file import VideoFileSource
from realtime.stages import Stages
from realtime.style_catalogue import Catalogue, find_style, open_styles
from realtime.videos.outputs import find_tasks
from realtime.videos.reporting import Reporter


class RecordedLooks:
    """The look of each frame of a recording.

    Args:
        looks: in the order of their frames.
        catalogue: the styles.

    Raises:
        StyleError: a style is no longer there.
    """

    def __init__(self, looks: list[LookAt], catalogue: Catalogue) -> None:
        self._frames = [look.frame for look in looks]
        self._looks = [
            Look(find_style(look.style, catalogue), look.strength, look.keep_colors, look.smoothing, look.mirror)
            for look in looks
        ]

    def look_of(self, frame: Frame) -> Look:
        """The look that a frame had; frames before the first have that."""
        return self._looks[max(0, bisect_right(self._frames, frame.index) - 1)]


def run_replay(options: FileOptions, reporter: Reporter) -> int:
    """Stylizes a recorded show again, and returns the exit status.

    Args:
        options: one input and one output; the network, the engine and `overwrite` count.
        reporter: takes what happens.

    Raises:
        StylizationError: the recording or its looks cannot be read, a style is not there, or the output cannot be.
    """
    video, targets = _find_video(options)
    looks, crossfade_s = read_looks(video)
    reporter.report("begin", str(video), targets=[str(targets[0])])

    def note(line: str) -> None:
        reporter.report("note", str(video), text=line)

    def progress(done: int) -> None:
        reporter.report("progress", str(video), frames=done, total=total)

    first = looks[0].style
    catalogue, place = open_styles(first, options.network)
    source = VideoFileSource(video, video.name, paced=False)
    total = source.frames
    folder = partial_folder(targets[0])
    folder.mkdir(parents=True)
    try:
        wanted = replace(options.engine, batch_size=1, parallel_batches=PARALLEL_BATCHES)
        engine_of = partial(open_engine, catalogue, wanted, place, source.info.size_wh, note)
        with held_names(targets, options.overwrite), closing(engine_of()) as engine:
            recorded = RecordedLooks(looks, catalogue)
            run_options = RunOptions(unpaced=True, engine=wanted, show=ShowOptions(crossfade_s=crossfade_s))
            made = folder / targets[0].name
            sinks: list[Sink] = [VideoFileSink(made, source.info.rate_fps), _Progress(progress)]
            controls = Controls(catalogue, place, LookOptions(first))
            stages = Stages(source, engine, controls, sinks, look_of=recorded.look_of)
            pipeline = Pipeline(stages, run_options, lambda _: None)
            report = pipeline.run()
            if pipeline.interrupted:
                reporter.report("interrupted")
                return INTERRUPTED
            with whole_output(targets[0], options.overwrite) as whole:
                made.replace(whole)
    finally:
        source.close()
        shutil.rmtree(folder, ignore_errors=True)
    facts = {"frames": report.frames_out, "fps": report.fps, "size": report.size, "lost": 0, "damaged": 0}
    reporter.report("done", str(video), targets=[str(targets[0])], lost_any=False, **facts)
    return 0


def _find_video(options: FileOptions) -> tuple[Path, Sequence[Path]]:
    """The one video that is replayed, and its one target; raises OptionError for anything else."""
    tasks = find_tasks(options.inputs, options.output, ["replay"], options.overwrite)
    video, targets = tasks[0].source, tasks[0].targets
    if len(tasks) != 1 or video is None or not tasks[0].is_video or targets[0].suffix.lower() not in VIDEO_SUFFIXES:
        allowed = ", ".join(VIDEO_SUFFIXES)
        raise OptionError(f"replay {' '.join(options.inputs)}: give one video and one output, {allowed}")
    return video, targets


class _Progress(Sink):
    """Counts frames."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress, self._done = progress, 0

    def write(self, stylized: StylizedFrame) -> None:
        self._done += 1
        self._progress(self._done)

    def close(self) -> str:
        return ""
