"""What a live pipeline joins: source, engine, sinks, settings, and what else asks for commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from realtime.controls import Controller, Controls
from realtime.engines.protocol import Engine
from realtime.frame import Frame
from realtime.look import Look
from realtime.sinks.protocol import Display, Sink
from realtime.sources.protocol import Source


@dataclass(frozen=True)
class Stages:
    """What a pipeline joins.

    Attributes:
        source: where frames enter.
        engine: what stylizes them.
        controls: the settings, changed by commands.
        sinks: where frames leave, the display among them.
        display: the sink with a person in front of it, if there is one.
        watched: whether anybody sees what the sinks take; while nobody does, few frames are taken.
        controllers: what else asks for commands, and hears of those of others.
        look_of: the look of a frame; None takes that of the controls.
        fields: more of the overlay, such as what a frame rate is held with.
    """

    source: Source
    engine: Engine
    controls: Controls
    sinks: list[Sink]
    display: Display | None = None
    watched: Callable[[], bool] = lambda: True
    controllers: Sequence[Controller] = ()
    look_of: Callable[[Frame], Look] | None = None
    fields: Callable[[], list[str]] = list

    def look_for(self, frame: Frame) -> Look:
        """What a frame that is taken now should look like."""
        return self.controls.look if self.look_of is None else self.look_of(frame)
