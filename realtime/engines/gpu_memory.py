"""Owns how a GPU's libraries say that its memory is too small, and trying again with more of it free.

Imports no PyTorch.
"""

import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

Result = TypeVar("Result")

_WORDS = (
    "out of memory",
    "failed to allocate memory",  # ONNX Runtime's arena
    "unable to find an engine to execute this computation",  # cuDNN, where no algorithm's workspace fits
    "cudnn_status_alloc_failed",
    "cublas_status_alloc_failed",
    "32-bit index math",  # of images so large that smaller ones are the remedy, too
    "canuse32bitindexmath",
    "numeric_limits<int32_t>::max",
    "int_max elements",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that it followed from, says that something is too large for the GPU.

    An error while a CUDA graph is recorded is followed by another: that the recording is not valid.
    """
    return any(words in str(each).lower() for each in _chain(error) for words in _WORDS)


def let_go_of(error: BaseException) -> None:
    """Clears the variables of the functions that an error came out of; they hold what the attempt had allocated."""
    for each in _chain(error):
        traceback.clear_frames(each.__traceback__)


def with_room(run: Callable[[], Result], make_room: Callable[[], bool]) -> Result:
    """Runs something; where memory is too small for it, makes room and runs it again.

    Args:
        run: what needs memory.
        make_room: frees some that something else holds; False where nothing is left to free.

    Returns:
        What `run` gives. Its error is raised when there is no more room to be made, or when it is another one.
    """
    while True:
        try:
            return run()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            let_go_of(error)
            failure = error.with_traceback(None)  # whose frames would keep the variables of all callers
        try:
            if not make_room():
                raise failure
        finally:
            del failure  # or this function and its error would keep each other


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        yield following
        following = following.__cause__ or following.__context__
