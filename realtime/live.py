"""The live flow `source -> mailbox -> batcher -> engine stage -> postprocess -> sinks`: threads and shutdown."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from realtime.batcher import Batcher
from realtime.controls import Action, Command
from realtime.crossfade import Crossfade
from realtime.flow import EngineStage, StageThreads
from realtime.frame import Frame, Image
from realtime.interrupts import signals_noted
from realtime.look import Look
from realtime.mailbox import BoundedMailbox, LatestMailbox
from realtime.options import RunOptions
from realtime.overlay import draw_controls, overlay_fields
from realtime.postprocess import Finisher, mirror
from realtime.recording import Recorder, marks_of
from realtime.sinks.protocol import StylizedFrame
from realtime.stages import Stages
from realtime.stats import RecentMean, Stats, StatsReport

UNWATCHED_FPS = 5
"""Frames a second that are taken while nobody watches."""

_POLL_S = 0.02
_DRAIN_S = 0.5
"""At the end, frames that are under way are still shown for so long."""

_JOIN_S = 0.5
_EARLY_S = 0.01
"""Live frames are taken this much earlier than slow sinks need them, because an engine may take longer than usual."""

_LONGEST_WAIT_S = 1.0


@dataclass(frozen=True)
class _Stylized:
    """A batch behind the engine: input, output, and the look it was made with."""

    frames: tuple[Frame, ...]
    pixels: tuple[Image, ...]
    look: Look


_Taken = tuple[tuple[Frame, ...], Look]


class Pipeline:
    """Runs a source through an engine to sinks, until it ends or somebody quits.

    Capturing, feeding the engine and collecting from it run in threads of their own. Live, at most one
    frame (or batch) waits in front of the engine and one behind it, and newer ones replace them:
    a slow stage costs frames, and never delay. Unpaced, the faster stage waits, and nothing is dropped.

    Args:
        stages: opened by the caller; the pipeline closes source and sinks, not the engine.
        options: pacing, batching and limits.
        report: takes lines for people.
    """

    def __init__(self, stages: Stages, options: RunOptions, report: Callable[[str], None]) -> None:
        self._stages, self._options, self._report = stages, options, report
        batch_size = options.engine.batch_size or 1
        self._captured: BoundedMailbox[Frame] = (
            BoundedMailbox(batch_size) if options.unpaced else LatestMailbox(batch_size)
        )
        self._stylized: BoundedMailbox[_Stylized] = BoundedMailbox(1) if options.unpaced else LatestMailbox()
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._stop_by_s, self._closing_source = 0.0, False
        self._show_time, self._free_s = RecentMean(), 0.0
        self._stats = Stats()
        self._engine: EngineStage[_Taken] = EngineStage(
            stages.engine, self._stats, report, ahead=1 if options.unpaced else 0
        )
        self._threads = StageThreads(self._abort)
        self._batcher = Batcher(self._captured, batch_size, options.engine.max_wait_ms)
        self._sinks = list(stages.sinks)
        self._recorder = Recorder(self._sinks, stages.source.info.rate_fps, report)
        self._last: StylizedFrame | None = None
        self._finisher = Finisher()
        self._crossfade = Crossfade(options.show.crossfade_s)
        self.interrupted = self.source_ended = False

    def send(self, command: Command) -> None:
        """Asks for something, from any thread; it is carried out before the next frame is shown."""
        self._commands.put(command)

    def run(self) -> StatsReport:
        """Runs to the end, and closes source and sinks. Call it once, from the main thread.

        Ctrl-C counts as quitting and sets `interrupted`. What hangs by then is left behind.

        Returns:
            The figures of the run.

        Raises:
            StylizationError: a stage failed; whatever it raised is raised again here.
        """
        with signals_noted(self._interrupt):
            self._threads.start((self._capture, self._feed, self._collect))
            self._threads.guard(self._show_until_end)
            self._stop()
            self._abort()
            self._close_sinks()  # first: a recording must not wait for a camera or an engine that hangs
            self._threads.join(_JOIN_S)
        self._threads.raise_failure()
        return self._final_report()

    def _interrupt(self) -> None:
        self.interrupted = True

    def _abort(self) -> None:
        """Wakes every stage, and throws away what is under way."""
        self._stopped.set()
        self._captured.abort()
        self._engine.abort()
        self._stylized.abort()

    def _stop(self) -> None:
        """Takes no more frames; those already captured still come out, for a moment."""
        self._stop_by_s = self._stop_by_s or time.perf_counter() + _DRAIN_S
        self._stopped.set()
        self._captured.close()
        if not self._closing_source:
            self._closing_source = True
            self._threads.start((self._close_source,))

    def _close_source(self) -> None:
        """Thread: a device that cannot be let go of holds up nothing else."""
        self._stages.source.close()

    def _capture(self) -> None:
        """Thread: source to mailbox."""
        source, limit = self._stages.source, self._options.max_frames if self._options.unpaced else None
        self._warm_up()
        interval_s = 1.0 / source.info.rate_fps
        shift, paused_s, put_s = 0, 0.0, 0.0
        last: Frame | None = None
        while not self._stopped.is_set() and (limit is None or self._stats.frames_in < limit):
            self._captured.wait_for_room()
            if self._options.unpaced and not self._stages.watched():
                self._stopped.wait(1 / UNWATCHED_FPS)
            if self._stopped.is_set():
                break
            if self._stages.controls.panel.frozen and last is not None:
                self._stopped.wait(interval_s)
                shift += 1
                paused_s += interval_s if source.info.can_pause else 0.0
                now_s, media_time_s = time.perf_counter(), last.media_time_s + interval_s
                frame = Frame(last.pixels, last.index + 1, now_s, media_time_s)
            else:
                with self._stats.stage("source"):
                    captured = source.read()
                if captured is None:
                    self.source_ended = not self._stopped.is_set()
                    break
                frame = replace(captured, index=captured.index + shift, media_time_s=captured.media_time_s + paused_s)
            if self._stopped.is_set():
                break
            if self._leaves_out(frame, put_s):
                shift -= 1
                continue
            self._stats.frames_in = frame.index + 1
            self._captured.put(frame)
            last, put_s = frame, frame.capture_time_s
        self._captured.close()

    def _warm_up(self) -> None:
        """Prepares the engine before the source's clock runs: else a recording would begin with a still image."""
        width, height = self._stages.source.info.size_wh
        shape = (self._options.engine.batch_size or 1, height, width, 3)
        self._engine.prepare(shape, self._stages.controls.look.style)

    def _leaves_out(self, frame: Frame, put_s: float) -> bool:
        """Whether a live frame is left out, because nobody watches and the last was a moment ago; it counts nowhere."""
        too_soon = frame.capture_time_s - put_s < 1 / UNWATCHED_FPS
        return too_soon and not self._options.unpaced and not self._stages.watched()

    def _feed(self) -> None:
        """Thread: mailbox and batcher to the engine, which takes the newest frames when it has room."""
        try:
            while True:
                self._engine.wait_for_room()
                if not self._options.unpaced:
                    self._stopped.wait(self._too_early_s())
                batch = self._batcher.next_batch()
                first = batch.frames[0]
                look = self._crossfade.shown(self._stages.look_for(first), first.media_time_s)
                if look.mirror:
                    frames = tuple(replace(frame, pixels=mirror(frame.pixels)) for frame in batch.frames)
                    batch = replace(batch, frames=frames)
                self._engine.put((batch.frames, look), batch.stacked(), [(look.style, look.strength)])
        finally:
            self._engine.close()

    def _too_early_s(self) -> float:
        """How long a live frame that is taken now would wait behind the engine, because the sinks are slow.

        Taken that much later, it is newer when it is shown, and the engine stylizes no frame that is never shown.
        """
        before = self._engine.under_way + self._stylized.waiting  # each of them is shown first
        begin_s = self._free_s + before * self._show_time.seconds - self._engine.typical_s - _EARLY_S
        return min(_LONGEST_WAIT_S, max(0.0, begin_s - time.perf_counter()))

    def _collect(self) -> None:
        """Thread: engine to mailbox."""
        for (frames, look), future in self._engine.results():
            self._stylized.put(_Stylized(frames, tuple(future.result()[0]), look))
        self._stylized.close()

    def _show_until_end(self) -> None:
        """Main thread: commands, postprocess and sinks."""
        while not self._is_over():
            self._carry_out_commands()
            if self.interrupted and not self._stopped.is_set():
                self._stop()
            batch = self._stylized.get(_POLL_S)
            if batch is not None:
                self._show_batch(batch)

    def _is_over(self) -> bool:
        """Whether enough frames were shown, or those under way at the end have had their time."""
        limit = self._options.max_frames
        enough = limit is not None and self._stats.frames_out >= limit
        return enough or (self._stopped.is_set() and time.perf_counter() > self._stop_by_s)

    def _show_batch(self, batch: _Stylized) -> None:
        """Shows the frames of a batch; live ones only until a newer batch is there."""
        begin_s = time.perf_counter()
        self._free_s = begin_s + self._show_time.seconds
        for frame, pixels in zip(batch.frames, batch.pixels, strict=True):
            self._show(frame, pixels, batch.look)
            if self._is_over() or (self._stylized.waiting and not self._options.unpaced):
                break
        self._free_s = time.perf_counter()
        self._show_time.add(self._free_s - begin_s)

    def _show(self, frame: Frame, pixels: Image, look: Look) -> None:
        stages = self._stages
        with self._stats.stage("postprocess"):
            pixels = shown = self._finisher.finish(pixels, frame.pixels, look)
            if stages.display is not None:
                fields = overlay_fields(pixels, look, self._stats, stages.engine.info) + stages.fields()
                shown = draw_controls(pixels, stages.controls, fields, marks_of(self._sinks, stages.controls.panel))
        self._last = StylizedFrame(frame, pixels, shown, look)
        with self._stats.stage("sinks"):
            for sink in self._sinks:
                sink.write(self._last)
        self._stats.frame_out(frame.capture_time_s, stages.watched())
        self._stats.frames_dropped = frame.index + 1 - self._stats.frames_out

    def _carry_out_commands(self) -> None:
        controls, display = self._stages.controls, self._stages.display
        asked = display.commands() if display is not None else []
        while not self._commands.empty():
            asked.append(self._commands.get())
        for command in asked:
            said = [controls.apply(command) or self._carry_out(command)]
            said += [controller.hear(command) for controller in self._stages.controllers]
            controls.say(next(filter(None, said), ""))
        for controller in self._stages.controllers:
            for command in controller.commands():  # nobody pressed a key, and nobody waits for an answer
                controls.apply(command)

    def _carry_out(self, command: Command) -> str:
        """Does what changes no setting, and gives a few words to show."""
        if command is Action.FULL_SCREEN and self._stages.display is not None:
            self._stages.display.toggle_full_screen()
        if command is Action.QUIT:
            self._stop()
        return self._recorder.carry_out(command, self._last)

    def _close_sinks(self) -> None:
        """Closes every sink, also when one of them fails."""
        for sink in self._sinks:
            try:
                line = sink.close() if self._threads.failure is None else sink.abandon()
                if line:
                    self._report(line)
            except Exception as error:  # noqa: BLE001
                self._threads.fail(error)

    def _final_report(self) -> StatsReport:
        self._stats.frames_dropped = self._stats.frames_in - self._stats.frames_out
        last = self._last
        shown = last.look if last is not None and self._stages.look_of is not None else None
        return self._stats.report().of(
            self._stages.engine.info,
            [(shown or self._stages.controls.look).style],
            (last.pixels.shape[1], last.pixels.shape[0]) if last is not None else None,
        )
