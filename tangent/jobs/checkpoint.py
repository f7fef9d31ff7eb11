"""The state of a long job in progress: saved now and then and when a signal ends the run."""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from tangent.jobs.errors import Interrupted, UserError, first_line, is_out_of_memory
from tangent.jobs.files import atomic_path

logger = logging.getLogger("tangent")

# Saving takes at most this share of the time: the state of a large model is gigabytes.
_LARGEST_SHARE = 0.05


class Checkpoint:
    """A state file that is resumed from only if it belongs to the very same job.

    As a context manager it also turns SIGTERM and SIGINT into a wish to stop, `stop_signal`, which
    the job fulfils after its current step.

    Args:
        path: the file.
        decisive: all that decides the bits of the result (settings, inputs, code, threads …), as
            JSON has it.
        seconds: time between two savings.
    """

    def __init__(self, path: Path, decisive: Any, seconds: float = 30.0) -> None:
        self.path, self._seconds = Path(path), seconds
        text = json.dumps(decisive, sort_keys=True)
        self._fingerprint = hashlib.sha256(text.encode()).hexdigest()
        self._saved_at, self._cost = time.monotonic(), 0.0
        self._previous: dict[int, Any] = {}
        self.stop_signal: int | None = None

    def __enter__(self) -> Checkpoint:
        if threading.current_thread() is threading.main_thread():  # else Python forbids handlers
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._remember)
        self._saved_at = time.monotonic()
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = number

    @property
    def is_due(self) -> bool:
        """Whether it is time to save."""
        pause = max(self._seconds, self._cost / _LARGEST_SHARE)
        return time.monotonic() - self._saved_at >= pause

    def keep(self, state: Callable[[], Mapping[str, Any]], done: str) -> None:
        """Save if it is time to, or if a signal asks to stop: then end.

        Args:
            state: gives what `save` takes.
            done: the last step that is in it, for the message.

        Raises:
            Interrupted: a signal asked to stop.
            UserError: as `save`.
        """
        if self.stop_signal is None and not self.is_due:
            return
        self.save(state())
        if self.stop_signal is not None:
            raise Interrupted(self.stop_signal, done)

    def save(self, state: Mapping[str, Any]) -> None:
        """Write tensors and plain values atomically.

        Raises:
            UserError: the file cannot be written.
        """
        started = time.monotonic()
        with atomic_path(self.path) as temporary:
            try:
                torch.save({**state, "fingerprint": self._fingerprint}, temporary)
            except RuntimeError as error:  # torch's writer hides the operating system's error
                raise UserError(f"cannot write {self.path}: {error}. Is the disk full?") from error
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None (with a line in the log) if there is none to resume."""
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            fingerprint = state["fingerprint"]
        except Exception as error:  # a damaged zip archive raises many types
            if is_out_of_memory(error):
                raise
            logger.warning("%s is damaged (%s): starting afresh", self.path, first_line(error))
            return None
        if fingerprint != self._fingerprint:
            logger.info(
                "%s belongs to other settings, inputs, code or machine: starting afresh", self.path
            )
            return None
        return state

    def remove(self) -> None:
        """Delete the file: the results are written."""
        self.path.unlink(missing_ok=True)
