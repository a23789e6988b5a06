"""A pipeline whose parts are fakes, for the tests of the pipeline.

Must not know what is tested.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakes import CollectingSink, FakeDisplay, IdentityEngine, make_catalogue

from realtime.controls import Command, Controller, Controls
from realtime.engines.protocol import Engine
from realtime.live import Pipeline
from realtime.options import EngineOptions, LookOptions, RunOptions
from realtime.sinks.protocol import Sink
from realtime.sources.protocol import Source
from realtime.stages import Stages
from realtime.style_catalogue import Catalogue

Script = Mapping[int, Sequence[Command] | BaseException]
"""See `FakeDisplay`."""


class Run:
    """A pipeline of fakes, what it said, and its sink."""

    def __init__(
        self,
        source: Source,
        engine: Engine | None = None,
        sinks: Sequence[Sink] = (),
        script: Script | None = None,
        batch_size: int = 1,
        look: LookOptions | None = None,
        *,
        catalogue: Catalogue | None = None,
        watched: Callable[[], bool] = lambda: True,
        controllers: Sequence[Controller] = (),
        **options: Any,
    ) -> None:
        self.sink = CollectingSink()
        self.display = FakeDisplay(script) if script is not None else None
        self.said: list[str] = []
        all_sinks: list[Sink] = [self.sink, *sinks]
        if self.display is not None:
            all_sinks.append(self.display)
        styles = catalogue or make_catalogue("candy", "mosaic", "udnie")
        controls = Controls(styles, 0, look or LookOptions(smoothing=0.0))
        stages = Stages(source, engine or IdentityEngine(), controls, all_sinks, self.display, watched, controllers)
        engine_options = EngineOptions(batch_size=batch_size, max_wait_ms=20)
        self.pipeline = Pipeline(stages, RunOptions(engine=engine_options, **options), self.said.append)

    def __call__(self) -> "Run":
        self.report = self.pipeline.run()
        return self

    @property
    def greys(self) -> list[int]:
        """The number in each frame that went in."""
        return [int(stylized.frame.pixels[0, 0, 0]) for stylized in self.sink.frames]

    @property
    def stylized(self) -> list[int]:
        """The first value of each stylized image."""
        return [int(stylized.pixels[0, 0, 0]) for stylized in self.sink.frames]
