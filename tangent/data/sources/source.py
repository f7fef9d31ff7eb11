"""What every source of a data set gives, and how one says that it is not there."""

from __future__ import annotations

from dataclasses import dataclass

from tangent.data.sources.rows import Rows


class Absent(Exception):
    """A source has no copy of the data set; the message gives the reason and the remedy.

    The next source in the configured order is tried then. A copy that is there but wrong is a
    `UserError` instead: nothing is skipped silently.
    """


@dataclass(frozen=True)
class Sizes:
    """Numbers of examples that the configuration expects.

    Attributes:
        train: examples of the official training set.
        validation: examples of the data set's own validation set; None if the configuration cuts
            one from the training set.
        test: examples of the official test set.
    """

    train: int
    validation: int | None
    test: int


@dataclass(frozen=True)
class SourceData:
    """The official splits of a copy, with the labels in the copy's own numbering.

    Attributes:
        train: the training set, from which validation examples may be cut.
        validation: the data set's own validation set; None if the copy has none.
        test: the test set.
        classes: the copy's class names in the order of its labels; None if it has numbers only.
    """

    train: Rows
    validation: Rows | None
    test: Rows
    classes: tuple[str, ...] | None
