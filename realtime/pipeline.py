"""Owns the flow `source -> mailbox -> batcher -> engine -> postprocess -> sinks`: threads, shutdown, re-raising.

Must not know the command line, nor which source, engine or sinks there are.
"""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from realtime import postprocess
from realtime.batcher import Batcher
from realtime.controls import Action, Command, Controls, Look
from realtime.engines.protocol import Engine
from realtime.errors import EngineError, SinkError
from realtime.finish import Finisher
from realtime.frame import Frame, Image
from realtime.mailbox import BoundedMailbox, LatestMailbox, Mailbox, MailboxClosedError
from realtime.options import RunOptions
from realtime.overlay import draw_help, draw_overlay
from realtime.sinks.protocol import Display, Sink, StylizedFrame
from realtime.sinks.snapshot import write_snapshot
from realtime.sinks.video_file import VideoFileSink
from realtime.sources.protocol import Source
from realtime.stats import Stats, StatsReport
from realtime.turns import Turns

_POLL_S = 0.02
_JOIN_S = 1.0
_MESSAGE_S = 2.0
_INSIST_AFTER_S = 1.0


@dataclass(frozen=True)
class Stages:
    """What a pipeline joins.

    Attributes:
        source: where frames enter.
        engine: what stylizes them.
        controls: the settings, changed by commands.
        sinks: where frames leave, the display among them.
        display: the sink with a person in front of it, if there is one.
    """

    source: Source
    engine: Engine
    controls: Controls
    sinks: list[Sink]
    display: Display | None = None


@dataclass(frozen=True)
class _Painting:
    """What the engine thread hands over: input, output, and the look it was made with."""

    frame: Frame
    pixels: Image
    look: Look


class Pipeline:
    """Runs a source through an engine to sinks, until it ends or somebody quits.

    Capturing, stylizing and showing run in threads of their own; an engine that can stylize
    several batches at once has as many. Live frames wait in a mailbox where the newest wins;
    unpaced ones in one that makes its writer wait.

    Args:
        stages: opened by the caller; the pipeline closes source and sinks, not the engine.
        options: pacing, batching and limits.
        report: takes lines for people.
    """

    def __init__(self, stages: Stages, options: RunOptions, report: Callable[[str], None]) -> None:
        self._stages, self._options, self._report = stages, options, report
        batch_size = options.engine.batch_size
        self._captured: Mailbox[Frame] = BoundedMailbox(batch_size) if options.unpaced else LatestMailbox()
        self._paintings: BoundedMailbox[_Painting] = BoundedMailbox(batch_size)
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._failure_lock = threading.Lock()
        self._stats = Stats()
        self._taken_count = 0
        self._turns = Turns(stages.engine.info.parallel_batches)
        self._batcher = Batcher(self._captured, batch_size, options.engine.max_wait_ms)
        self._sinks = list(stages.sinks)
        self._recording: VideoFileSink | None = None
        self._last: StylizedFrame | None = None
        self._finisher = Finisher()
        self._message, self._message_until_s = "", 0.0
        self._closing = False
        self.interrupted, self._interrupted_s = False, 0.0

    def send(self, command: Command) -> None:
        """Asks for something, from any thread; it is carried out before the next frame is shown."""
        self._commands.put(command)

    def run(self) -> StatsReport:
        """Runs to the end, and closes source and sinks. Call it once, from the main thread.

        Ctrl-C counts as quitting and sets `interrupted`.

        Returns:
            The figures of the run.

        Raises:
            StylizationError: a stage failed; whatever it raised is raised again here.
        """
        stylizing = [self._stylize] * self._stages.engine.info.parallel_batches
        threads = [
            threading.Thread(target=self._guard, args=(stage,), name=stage.__name__, daemon=True)
            for stage in (self._capture, *stylizing)
        ]
        with self._interrupts_wait():
            for thread in threads:
                thread.start()
            self._guard(self._show_until_quit)
            self._closing = True
            self._guard(self._stop)
            for thread in threads:
                thread.join(_JOIN_S)
            self._close_sinks()
        if self._failure is not None:
            raise self._failure
        return self._final_report()

    @contextmanager
    def _interrupts_wait(self) -> Iterator[None]:
        """Lets Ctrl-C and a polite kill end the run between two frames, and never inside the closing of a file.

        One that comes a second or more after the first raises KeyboardInterrupt where it comes, for
        a stage that hangs. Earlier ones count as the first: `timeout -s INT` sends two at once.
        """

        def interrupt(number: int, _: object) -> None:
            now_s = time.perf_counter()
            if self.interrupted and not self._closing and now_s - self._interrupted_s >= _INSIST_AFTER_S:
                raise KeyboardInterrupt
            if not self.interrupted:
                self.interrupted, self._interrupted_s = True, now_s

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _guard(self, stage: Callable[[], None]) -> None:
        """Runs a stage; what it raises ends the run and is raised again by `run`."""
        try:
            stage()
        except MailboxClosedError:
            return
        except BaseException as error:  # noqa: BLE001
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._failure_lock:
            self._failure = self._failure or error
        self._stopped.set()
        self._captured.abort()
        self._turns.abort()
        self._paintings.abort()

    def _stop(self) -> None:
        """Takes no more frames; those already captured still come out."""
        self._stopped.set()
        self._captured.close()
        self._stages.source.close()

    def _capture(self) -> None:
        """Thread: source to mailbox."""
        source, limit = self._stages.source, self._options.max_frames if self._options.unpaced else None
        interval_s = 1.0 / source.info.rate_fps
        repeats, paused_s = 0, 0.0
        last: Frame | None = None
        while not self._stopped.is_set() and (limit is None or self._stats.frames_in < limit):
            self._captured.wait_for_room()
            if self._stopped.is_set():
                break
            if self._stages.controls.panel.frozen and last is not None:
                self._stopped.wait(interval_s)
                repeats += 1
                paused_s += interval_s if source.info.can_pause else 0.0
                now_s, media_time_s = time.perf_counter(), last.media_time_s + interval_s
                frame = Frame(last.pixels, last.index + 1, now_s, media_time_s)
            else:
                with self._stats.stage("source"):
                    captured = source.read()
                if captured is None:
                    break
                frame = replace(captured, index=captured.index + repeats, media_time_s=captured.media_time_s + paused_s)
            if self._stopped.is_set():
                break
            self._stats.frames_in = frame.index + 1
            self._captured.put(frame)
            last = frame
        self._captured.close()

    def _stylize(self) -> None:
        """Thread, perhaps several: mailbox, batcher and engine."""
        limit = self._options.max_frames
        try:
            while True:
                with self._turns.take() as turn:
                    if limit is not None and self._taken_count >= limit:
                        break
                    batch = self._batcher.next_batch(None if limit is None else limit - self._taken_count)
                    look = self._stages.controls.look
                    self._taken_count += len(batch.frames)
                    self._stats.frames_dropped = batch.frames[-1].index + 1 - self._taken_count
                frames = tuple(_mirrored(frame) for frame in batch.frames) if look.mirror else batch.frames
                stacked = replace(batch, frames=frames).stacked()
                with self._stats.stage("engine"):
                    stylized = self._stages.engine.stylize(stacked, look.style, look.strength)
                if stylized.shape != stacked.shape:
                    raise EngineError(f"engine: gave shape {stylized.shape} for {stacked.shape}; they must be equal")
                with self._turns.hand_over(turn):
                    for frame, pixels in zip(frames, stylized, strict=True):
                        self._paintings.put(_Painting(frame, pixels, look))
        finally:
            if self._turns.leave():
                self._paintings.close()

    def _show_until_quit(self) -> None:
        """Main thread: commands, postprocess and sinks."""
        while True:
            self._carry_out_commands()
            if self.interrupted and not self._stopped.is_set():
                self._stop()
            painting = self._paintings.get(_POLL_S)
            if painting is not None:
                self._show(painting)

    def _show(self, painting: _Painting) -> None:
        with self._stats.stage("postprocess"):
            pixels = self._finisher.finish(painting.pixels, painting.frame.pixels, painting.look)
            shown = self._decorated(pixels, painting.look) if self._stages.display is not None else pixels
        stylized = StylizedFrame(painting.frame, pixels, shown)
        with self._stats.stage("sinks"):
            for sink in self._sinks:
                sink.write(stylized)
        self._last = stylized
        self._stats.frame_out(painting.frame.capture_time_s)

    def _decorated(self, pixels: Image, look: Look) -> Image:
        """Draws the list of styles or the help, or else the overlay with the last message."""
        panel = self._stages.controls.panel
        if lines := self._stages.controls.lines:
            return draw_help(pixels, lines)
        message = self._message if time.perf_counter() < self._message_until_s else ""
        if panel.overlay:
            return draw_overlay(pixels, self._overlay_fields(pixels, look), message)
        return draw_overlay(pixels, [message]) if message else pixels

    def _overlay_fields(self, pixels: Image, look: Look) -> list[str]:
        live, info = self._stats.live(), self._stages.engine.info
        return [
            f"{look.style.name} {look.strength:.0%}",
            f"{live.fps:.1f} fps",
            f"latency {live.latency_p50_ms:.0f}/{live.latency_p95_ms:.0f} ms",
            f"dropped {live.dropped}",
            f"{info.engine} {info.device} {info.precision}",
            f"{pixels.shape[1]}x{pixels.shape[0]}",
        ]

    def _carry_out_commands(self) -> None:
        asked = self._stages.display.commands() if self._stages.display is not None else []
        while not self._commands.empty():
            asked.append(self._commands.get())
        for command in asked:
            message = self._stages.controls.apply(command) or self._carry_out(command)
            if message:
                self._message, self._message_until_s = message, time.perf_counter() + _MESSAGE_S

    def _carry_out(self, command: Command) -> str:
        """Does what changes no setting; a snapshot or recording that fails is told, and the show goes on."""
        try:
            if command is Action.SNAPSHOT and self._last is not None:
                paths = write_snapshot(self._last, Path(f"snapshot_{_time_stamp()}"))
                return self._told(f"wrote {paths[0]} and {paths[1]}")
            if command is Action.RECORD:
                return self._told(self._toggle_recording())
        except SinkError as error:
            return self._told(str(error))
        if command is Action.FULL_SCREEN and self._stages.display is not None:
            self._stages.display.toggle_full_screen()
        if command is Action.QUIT:
            self._stop()
        return ""

    def _toggle_recording(self) -> str:
        if self._recording is not None:
            recording, self._recording = self._recording, None
            self._sinks.remove(recording)
            return recording.close() or "nothing was recorded"
        path = Path(f"recording_{_time_stamp()}.mp4")
        self._recording = VideoFileSink(path, self._stages.source.info.rate_fps)
        self._sinks.append(self._recording)
        return f"recording to {path}"

    def _told(self, line: str) -> str:
        self._report(line)
        return line

    def _close_sinks(self) -> None:
        """Closes every sink, also when one of them fails."""
        for sink in self._sinks:
            try:
                line = sink.close() if self._failure is None else sink.abandon()
                if line:
                    self._report(line)
            except Exception as error:  # noqa: BLE001
                self._failure = self._failure or error

    def _final_report(self) -> StatsReport:
        self._stats.frames_dropped = self._stats.frames_in - self._taken_count
        info, last = self._stages.engine.info, self._last
        return replace(
            self._stats.report(),
            engine=info.engine,
            device=info.device,
            precision=info.precision,
            provider=info.provider,
            style=self._stages.controls.look.style.name,
            size=f"{last.pixels.shape[1]}x{last.pixels.shape[0]}" if last is not None else "",
        )


def _mirrored(frame: Frame) -> Frame:
    return replace(frame, pixels=postprocess.mirror(frame.pixels))


def _time_stamp() -> str:
    return datetime.now().strftime("%Y%m%d_%H%M%S_%f")[:-3]
