"""The exceptions that end a script with one line for the user, and what they say of others."""

import errno
import signal
import sys

# Where torch's libraries fail to allocate, they raise a plain RuntimeError.
_OUT_OF_MEMORY = (
    "can't allocate memory",  # torch's allocator on a CPU
    "out of memory",
    "ALLOC_FAILED",  # cuBLAS, cuDNN
    "bad_alloc",
)


class UserError(Exception):
    """Something the user can mend: the message names the file or key, what is wrong and the remedy.

    Scripts print it and exit with status 1; every other exception is a bug of ours and keeps its
    traceback. Each argument is a line; what is not printable in it (of a file's name) is escaped.
    """

    def __str__(self) -> str:
        return "\n".join(
            "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in self.args
        )


class Interrupted(Exception):
    """A signal ended the job after the step `done`; its state is saved.

    Attributes:
        exit_status: 128 + the signal's number, as a shell reports it.
    """

    def __init__(self, signal_number: int, done: str) -> None:
        super().__init__(f"{signal.Signals(signal_number).name} after {done}; state saved")
        self.exit_status = 128 + signal_number


def first_line(error: BaseException) -> str:
    """The first line of another exception's message, without a full stop, or else its type."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(". ")


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an exception, or one behind it, says that a disk is full, or a quota used up."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(text in str(error) for text in ("No space left", "quota exceeded")):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a CPU's or a GPU's memory did not suffice."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)
