"""Out of memory: known by its many exceptions, answered by what to change."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tangent.jobs.errors import UserError, first_line

# Where torch's libraries fail to allocate, they raise a plain RuntimeError.
_MESSAGES = (
    "can't allocate memory",  # torch's allocator on a CPU
    "out of memory",
    "ALLOC_FAILED",  # cuBLAS, cuDNN
    "bad_alloc",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a CPU's or a GPU's memory did not suffice."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MESSAGES)


def advice(error: BaseException, remedy: str) -> str:
    """The message for the user: how much was asked for, as far as that is known, and a remedy."""
    return f"out of memory. {remedy} ({first_line(error)})"


@contextmanager
def explained(remedy: str) -> Iterator[None]:
    """Turn running out of memory inside into a `UserError` that says what to change."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(advice(error, remedy)) from error
