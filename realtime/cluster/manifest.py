"""Owns the manifest: a line of JSON for each input, with its settings, its segments and what came of it.

The last line of an input counts. It lies beside the results, and lets the same command go on where it was stopped.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from realtime.cluster.storage import is_address, joined, parent_and_name, storage_of
from realtime.errors import SinkError, SourceError

NAME = "manifest.jsonl"


class Manifest:
    """What is known of all inputs, by the first of their results.

    Args:
        address: of the file.

    Raises:
        SourceError: it is damaged.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._storage = storage_of(address)
        self._entries: dict[str, dict[str, Any]] = self._read()
        self._new: list[str] = []

    def entry(self, target: str) -> dict[str, Any]:
        """What is known of an input; empty for one that is new."""
        return self._entries.get(target, {})

    def put(self, target: str, **facts: Any) -> None:
        """Adds to what is known of an input; `write` keeps it."""
        self._entries[target] = {"output": target} | self.entry(target) | facts
        self._new.append(json.dumps(self._entries[target]))

    def forget(self, target: str) -> None:
        """Begins an input anew."""
        self._entries.pop(target, None)

    def write(self, whole: bool = False) -> None:
        """Writes what is new; with `whole` one line for each input.

        Raises:
            SinkError: it cannot be written.
        """
        if not self._new and not whole:
            return
        try:
            if whole or is_address(self.address):
                self._write_whole()
            else:
                with Path(self.address).open("a", encoding="utf-8") as file:
                    file.write("".join(f"{line}\n" for line in self._new))
        except OSError as error:
            why = f"cannot be written ({error.strerror}); make room, or choose another place"
            raise SinkError(f"manifest {self.address}: {why}") from error
        self._new.clear()

    def _write_whole(self) -> None:
        folder, name = parent_and_name(self.address)
        local = Path(tempfile.mkdtemp(prefix="stylize-")) if is_address(self.address) else Path(folder)
        local.mkdir(parents=True, exist_ok=True)
        file = local / f".{name}.partial"
        lines = [json.dumps(entry) for entry in self._entries.values()]
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        self._storage.put(file, self.address)
        if is_address(self.address):
            local.rmdir()

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._storage.exists(self.address):
            return {}
        with tempfile.TemporaryDirectory(prefix="stylize-") as folder:
            text = self._storage.get(self.address, Path(folder)).read_text(encoding="utf-8")
        entries: dict[str, dict[str, Any]] = {}
        lines = text.splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                entry = dict(json.loads(line))
                entries[str(entry["output"])] = entry
            except (ValueError, TypeError, KeyError) as error:
                if number == len(lines) and not text.endswith("\n"):
                    break  # the run was killed while it wrote
                raise SourceError(
                    f"manifest {self.address}: line {number} is damaged, or no line of a manifest; move the file away, "
                    "and all is done again"
                ) from error
        return entries


def manifest_address(output: str, into_folder: bool) -> str:
    """Where the manifest of a run lies: in the output's folder, or beside a file with its name."""
    if into_folder:
        return joined(output, NAME)
    folder, name = parent_and_name(output)
    return joined(folder, f"{name}.{NAME}")


def work_folder(manifest: str) -> str:
    """The hidden folder beside a manifest for what is unfinished."""
    folder, name = parent_and_name(manifest)
    return joined(folder, f".{name}.work")


def settings_hash(settings: dict[str, Any]) -> str:
    """A short name for what decides the frames of a result."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def known_segments(folder: str, looks: int) -> set[int]:
    """The numbers of the parts of which whole pieces are there in every look."""
    found = [_numbers(storage_of(folder).names(joined(folder, str(place)))) for place in range(looks)]
    return set.intersection(*found) if found else set()


def _numbers(names: Sequence[str] | set[str]) -> set[int]:
    there = set(names)
    return {int(name[:-5]) for name in there if name[:-5].isdecimal() and name.endswith(".json")
            and f"{name[:-5]}.nut" in there}  # fmt: skip
