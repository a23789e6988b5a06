"""Owns the options of a run on many machines."""

from dataclasses import dataclass

from realtime.errors import OptionError
from realtime.options import FileOptions

SEGMENT_S = 12.0
"""The least length of a segment; it ends at the next key image, which most videos have every 2 to 10 s."""


@dataclass(frozen=True)
class ClusterOptions:
    """Where the work is handed to.

    Attributes:
        address: "auto", or that of a cluster to which this machine belongs: HOST:PORT.
        workers: how many; None is as many as there is room for.
        gpus_per_worker: GPUs for each, also parts of one; None is 1 where the cluster has any and may use them.
        cpus_per_worker: cores for each; None is 2, or 1 where a machine has no more.
        segment_s: least length of the segments in which videos are cut.
        verbose: show what Ray says.
    """

    address: str
    workers: int | None = None
    gpus_per_worker: float | None = None
    cpus_per_worker: int | None = None
    segment_s: float = SEGMENT_S
    verbose: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("workers", self.workers, 1), ("cpus-per-worker", self.cpus_per_worker, 1)):
            if value is not None and value < least:
                raise OptionError(f"{name} {value}: must be at least {least}")
        gpus = self.gpus_per_worker
        if gpus is not None and (gpus < 0 or (gpus > 1 and gpus != int(gpus))):
            raise OptionError(f"gpus-per-worker {gpus:g}: must be 0 to 1, or a whole number")
        if self.address != "auto" and not self.address.rpartition(":")[2].isdecimal():
            raise OptionError(
                f"ray {self.address!r}: must be auto, or a cluster as HOST:PORT, for example 10.0.0.1:6379"
            )


def check_options(options: FileOptions) -> None:
    """Raises OptionError for what one machine alone can do."""
    refused = {
        "watch": (options.watch, "hand over the folder again when there is more in it"),
        "replay": (options.replay, "leave --ray out"),
        "resume": (options.resume, "--ray always goes on with what an earlier run has left; leave --resume out"),
        "report": (options.report, "the manifest holds the figures; leave --report out"),
        "stats": (options.stats is not None, "the manifest holds the figures; leave --stats out"),
        "format": (bool(options.pipe_format), "leave --ray out"),
    }
    for name, (asked, remedy) in refused.items():
        if asked:
            raise OptionError(f"{name}: not with --ray; {remedy}")
    if ":" in options.engine.device:
        raise OptionError(f"device {options.engine.device}: with --ray each worker is given its GPU; use --device cuda")
    if "-" in (*options.inputs, options.output):
        raise OptionError("ray: standard input and output are this machine's; give files, or leave --ray out")
