"""Owns standard input and output as bytes, which a shell may have closed."""

import sys
from typing import BinaryIO

from realtime.errors import SinkError, SourceError


def standard_input() -> BinaryIO:
    """What comes in.

    Raises:
        SourceError: there is none.
    """
    if sys.stdin is None:  # as after `<&-` and under pythonw
        raise SourceError("standard input: is closed; pipe something into it, or give a file")
    return sys.stdin.buffer


def write_standard_output(content: bytes | memoryview) -> None:
    """Writes all at once.

    Raises:
        SinkError: there is none, or its reader has ended.
        OSError: it cannot be written.
    """
    if sys.stdout is None:
        raise SinkError("standard output: is closed; pipe it into something, or give a file")
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise SinkError("standard output: what reads it ended before all was written") from error
