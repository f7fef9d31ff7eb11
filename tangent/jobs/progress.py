"""Progress that a person can watch: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

from tangent.jobs.errors import UserError
from tangent.jobs.shared_files import open_shared

logger = logging.getLogger("tangent")

SECONDS_BETWEEN_LINES = 10.0


def start_logging(log: Path | None) -> None:
    """Send the messages of `tangent` to standard error and, as plain lines, to the file `log`."""
    logger.setLevel(logging.INFO)
    logger.propagate = False
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(logging.Formatter("%(message)s"))
    handlers: list[logging.Handler] = [stream]
    if log is not None:
        file = _LogFile(log, encoding="utf-8", delay=True)
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        handlers.append(file)
    logger.handlers = handlers


class _LogFile(logging.FileHandler):
    """A file that is given up with one line if it cannot be written: the work matters more."""

    def _open(self) -> TextIOWrapper:
        descriptor = open_shared(Path(self.baseFilename), os.O_WRONLY | os.O_APPEND)
        return os.fdopen(descriptor, "a", encoding=self.encoding)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except UserError as error:  # the file could not be opened
            self._give_up(str(error))

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self._give_up(f"cannot write {self.baseFilename}: {error.strerror}")
        else:
            super().handleError(record)

    def _give_up(self, message: str) -> None:
        if self in logger.handlers:
            logger.removeHandler(self)
            logger.warning(message)


class Progress:
    """Counts `total` steps of `name`: a tqdm bar in a terminal, else a plain line every 10 seconds.

    The log file gets the plain lines in both cases.
    """

    def __init__(self, name: str, total: int, unit: str = "step", done: int = 0) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, done
        self._at_start, self._start = done, time.monotonic()
        self._last_line = self._start
        # Only here: planning imports this module, and must not wait for it.
        from tqdm import tqdm
        from tqdm.contrib.logging import logging_redirect_tqdm

        self._bar = tqdm(total=total, initial=done, desc=name, unit=unit, leave=False, disable=None)
        self._redirect = logging_redirect_tqdm(loggers=[logger])

    def __enter__(self) -> Progress:
        if not self._bar.disable:
            self._redirect.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._bar.disable:
            self._redirect.__exit__(*exception)
        self._bar.close()

    def update(self, steps: int = 1, values: Mapping[str, float] | None = None) -> None:
        """Advance by `steps`; `values` (a loss, an accuracy) are shown beside the count."""
        self.done += steps
        shown = {name: f"{value:.4g}" for name, value in (values or {}).items()}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(steps)
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES or self.done == self.total:
            self._last_line = now
            rate = (now - self._start) / max(1, self.done - self._at_start)
            left = rate * max(0, self.total - self.done)
            text = "".join(f", {name} {value}" for name, value in shown.items())
            message = f"{self.name}: {self.done}/{self.total} {self.unit}s{text}, {left:.0f} s left"
            record = logger.makeRecord("tangent", logging.INFO, __file__, 0, message, (), None)
            for handler in logger.handlers:
                if self._bar.disable or isinstance(handler, logging.FileHandler):
                    handler.handle(record)
