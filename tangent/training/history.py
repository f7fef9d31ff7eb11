"""History of a training: a row per step, as CSV and as TensorBoard events."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from tangent.jobs.errors import UserError
from tangent.jobs.files import cannot_write, note_written, write_csv

COLUMNS = ("step", "epoch", "learning_rate", "loss", "accuracy", "gradient_norm")
_SCALARS = ("learning_rate", "loss", "accuracy", "gradient_norm")


class Diverged(UserError):
    """The loss or the gradient of a training is not finite."""


class Record:
    """The rows of a training, step by step.

    The events folder is made anew at the start, the rows of a resumed training included: a resumed
    run must leave neither gaps nor steps that were logged twice.

    Args:
        events: folder of TensorBoard's event files; None writes none.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, events: Path | None = None) -> None:
        self._events = events
        self.rows: list[tuple[int, int, float, float, float, float]] = []
        self._writer = None
        if events is not None:
            from torch.utils.tensorboard import SummaryWriter

            try:
                shutil.rmtree(events, ignore_errors=True)
                self._writer = SummaryWriter(str(events))
            except OSError as error:
                raise cannot_write(events, error) from error

    def extend(self, rows: Sequence[Sequence[float]]) -> None:
        """Add rows in the order of `COLUMNS`.

        Raises:
            Diverged: a loss or gradient is not finite.
            UserError: the events cannot be written.
        """
        for row in rows:
            step, epoch = int(row[0]), int(row[1])
            values = dict(zip(_SCALARS, map(float, row[2:]), strict=True))
            if not math.isfinite(values["loss"]) or not math.isfinite(values["gradient_norm"]):
                raise Diverged(
                    f"step {step}: the training loss is {values['loss']:g} and the gradient's norm "
                    f"{values['gradient_norm']:g} at learning rate {values['learning_rate']:g}. "
                    "Lower finetuning.learning_rate (random_initialization.learning_rate for a "
                    "model that starts at random)."
                )
            self.rows.append((step, epoch, *values.values()))
            if self._writer is not None:
                try:
                    for name, value in values.items():
                        self._writer.add_scalar(f"train/{name}", value, step)
                except OSError as error:
                    raise cannot_write(self._events, error) from error

    def write_csv(self, path: Path) -> None:
        """Write all rows; numbers are written so that they read back exactly."""
        write_csv(path, COLUMNS, self.rows)

    def last_epoch(self) -> tuple[float, float]:
        """Return loss and accuracy on training batches, averaged over the last epoch's steps.

        There must be a row.
        """
        last = [row for row in self.rows if row[1] == self.rows[-1][1]]
        return tuple(sum(row[column] for row in last) / len(last) for column in (3, 4))

    def close(self) -> None:
        """Finish the event file.

        Raises:
            UserError: it cannot be written.
        """
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                raise cannot_write(self._events, error) from error
            note_written(sorted(Path(self._writer.log_dir).iterdir()))
