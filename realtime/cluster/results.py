"""Owns what came of inputs: results get their names, after the manifest says that they are whole."""

from realtime.cluster.manifest import Manifest
from realtime.cluster.storage import storage_of
from realtime.cluster.video_work import Made, VideoWork, Work, remove_work
from realtime.errors import SinkError
from realtime.videos.job import RunResult
from realtime.videos.reporting import Reporter

_SHOWN = ("frames", "size", "lost", "damaged")


class Results:
    """Takes what was made, gives it its names, and tells what failed.

    Args:
        manifest: of the run.
        reporter: is told of each input.
        overwrite: whether files that are there are replaced.

    Attributes:
        failures: names of inputs, each with the reason.
        keeps_work: whether something is left that another run would go on with.
    """

    def __init__(self, manifest: Manifest, reporter: Reporter, overwrite: bool) -> None:
        self._manifest, self._reporter, self._overwrite = manifest, reporter, overwrite
        self._waiting: list[tuple[Made, Work | None]] = []
        self._damaged = 0
        self.failures: list[tuple[str, str]] = []
        self.keeps_work = False

    def take(self, made: Made, work: Work | None) -> None:
        """Takes what came of an input, and the work that made it, if it was this run."""
        self._waiting.append((made, work))

    def place(self) -> None:
        """Gives all that was taken its names.

        Raises:
            SinkError: the manifest cannot be written.
        """
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for made, _ in waiting:
            if not made.error:
                self._manifest.put(made.one.targets[0], status="whole", results=list(made.results), facts=made.facts)
        self._manifest.write()  # from now on another run knows that these results are ours
        for made, work in waiting:
            error = made.error or self._named(made)
            if error:
                self._failed(made, work, error)
            else:
                self._done(made, work)
        self._manifest.write()

    def result(self) -> RunResult:
        """What came of the whole run; tells which inputs failed."""
        self._manifest.write(whole=True)
        if self.failures:
            failures = [{"source": name, "text": text} for name, text in self.failures]
            self._reporter.report("failures", failures=failures)
        return RunResult(len(self.failures), self._damaged)

    def _named(self, made: Made) -> str:
        """Gives results their names; a line for people where that fails."""
        for result, address in zip(made.results, made.one.targets, strict=True):
            if not storage_of(result).exists(result):
                continue  # an earlier run was stopped after this step
            try:
                storage_of(address).place(result, address, self._overwrite)
            except FileExistsError:
                return f"output {address}: another program made it during the run, and it stays; use --overwrite"
            except OSError as error:
                return f"output {address}: {error.strerror}; choose another place"
            except SinkError as error:
                return str(error)
        return ""

    def _failed(self, made: Made, work: Work | None, error: str) -> None:
        has_parts = isinstance(work, VideoWork) and work.frames_done > 0
        self.keeps_work = self.keeps_work or bool(made.results) or has_parts
        self.failures.append((made.one.name, error))
        self._reporter.report("error", made.one.name, text=error)
        status = "whole" if made.results else "failed"
        self._manifest.put(made.one.targets[0], status=status, error=error)

    def _done(self, made: Made, work: Work | None) -> None:
        lost_any = bool(made.facts.get("lost", 0) + made.facts.get("damaged", 0))
        self._damaged += lost_any
        self._manifest.put(made.one.targets[0], status="done", results=[], facts=made.facts)
        shown = {key: made.facts[key] for key in _SHOWN if key in made.facts}
        self._reporter.report("done", made.one.name, targets=list(made.one.targets), lost_any=lost_any, **shown)
        if isinstance(work, VideoWork):
            remove_work(work.folder)
