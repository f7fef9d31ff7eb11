"""The one exception that a user is meant to read, and what it says of others."""


class UserError(Exception):
    """Something the user can mend: the message names the file or key, what is wrong and the remedy.

    Scripts print it as one line and exit with status 1; every other exception is a bug of ours and
    keeps its traceback.
    """


def first_line(error: BaseException) -> str:
    """The first line of another exception's message, without a full stop, or else its type."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(". ")
