"""Sources of data sets: their keys in the configuration, and how they find and read a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from tangent.data.sources.rows import Rows
from tangent.jobs.keys import Section
from tangent.tasks.task_files import AnyTask


class Absent(Exception):
    """A source has no copy of the data set; the message gives the reason and the remedy.

    The next source in the configured order is tried then. A copy that is there but wrong is a
    `UserError` instead: nothing is skipped silently.
    """


@dataclass(frozen=True)
class Sizes:
    """Numbers of examples that the configuration expects of the official splits.

    There is no number of a validation set if the configuration cuts one from the training set.
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

    @classmethod
    def of(cls, splits: Mapping[str, Rows], classes: tuple[str, ...] | None) -> SourceData:
        """Rows by split; a validation set need not be among them."""
        return cls(splits["train"], splits.get("validation"), splits["test"], classes)


class Source(Section):
    """Where a data set may be: the entry of a configuration.

    Attributes:
        gives: the kinds of tasks that it has data sets of.
    """

    gives: ClassVar[tuple[str, ...]] = ("image",)

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Find the copy; this may download.

        Returns:
            What `open_copy` needs to know of it, for JSON; nothing where the copy is made.

        Raises:
            Absent: it is not there.
            UserError: it is there but wrong.
        """
        return {}

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Open what `locate` found; the network is not used.

        Raises:
            UserError: files are missing or damaged.
        """
        raise NotImplementedError
