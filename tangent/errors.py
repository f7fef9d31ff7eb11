"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Something the user can mend: the message names the file or key, what is wrong and the remedy.

    Scripts print it as one line and exit with status 1; every other exception is a bug of ours and
    keeps its traceback.
    """
