"""Owns what a run still has to do: not what an earlier one has done with the same settings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime.cluster.inputs import ClusterInput
from realtime.cluster.manifest import Manifest, settings_hash
from realtime.cluster.storage import storage_of
from realtime.cluster.video_work import Made
from realtime.errors import OptionError
from realtime.media.still_reader import ImageSequence
from realtime.options import FileOptions, LookOptions
from realtime.style import Style
from realtime.videos.fingerprint import look_settings
from realtime.videos.job import looks_of


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        to_do: inputs to be stylized.
        made: inputs whose results are whole, and only need their names.
        settings: for each input, by the first of its results, a hash of what the user chose.
        kept: names of inputs that are done already, each with its result.
    """

    to_do: list[ClusterInput] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    kept: list[tuple[str, str]] = field(default_factory=list)


def make_plan(
    inputs: Sequence[ClusterInput], styles: Sequence[Style], options: FileOptions, manifest: Manifest
) -> Plan:
    """Compares inputs with the manifest, and writes there what waits.

    Raises:
        SourceError: an input cannot be read.
        OptionError: a result is there already, and not from an earlier run with these settings.
        SinkError: the manifest cannot be written.
    """
    plan = Plan()
    for one in inputs:
        looks = looks_of(options, styles, LookOptions.smoothing if one.is_video else 0.0)
        settings = settings_hash(_settings_of(one, options) | look_settings(options, looks))
        target = one.targets[0]
        plan.settings[target] = settings
        entry = manifest.entry(target)
        status = entry.get("status") if entry.get("settings") == settings else ""
        there = [address for address in one.targets if storage_of(address).exists(address)]
        if status == "whole" and _are_known(one, entry["results"]):
            plan.made.append(Made(one, tuple(entry["results"]), entry["facts"]))
        elif status == "done" and len(there) == len(one.targets):
            plan.kept.append((one.name, target))
        elif there and not options.overwrite:
            made = (
                ", made with other settings or of another input" if entry.get("status") == "done" and not status else ""
            )
            raise OptionError(f"output {there[0]}: is there already{made}; use --overwrite, or choose another name")
        else:
            plan.to_do.append(one)
            manifest.forget(target)
            manifest.put(target, input=one.name, targets=list(one.targets), settings=settings, status="waiting")
    manifest.write(whole=True)
    return plan


def _settings_of(one: ClusterInput, options: FileOptions) -> dict[str, Any]:
    """What the input is, and what was asked for that is no look."""
    if isinstance(one.source, ImageSequence):
        paths = map(str, one.source.files.values())
        state: list[Any] = [str(one.source.rate), *([path, *storage_of(path).state(path)] for path in paths)]
    else:
        state = [one.source, *storage_of(one.source).state(one.source)]
    engine = options.engine
    asked = [engine.engine, engine.device, engine.precision, engine.provider, options.network]
    return {"input": state, "asked": asked, "tile": options.tile_px, "sheet": options.sheet}


def _are_known(one: ClusterInput, results: Sequence[str]) -> bool:
    """Whether each result is whole, and has its name or waits for it."""
    return len(results) == len(one.targets) and all(
        storage_of(result).exists(result) or storage_of(target).exists(target)
        for result, target in zip(results, one.targets, strict=True)
    )
