"""Texts of the demo world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tangent.data.sources.source import Sizes, SourceData
from tangent.data.sources.text_rows import TextRows
from tangent.tasks.text_task import TextTask

OPTIONS = ("seed",)
KINDS = ("text",)


def locate(task: TextTask, sizes: Sizes, seed: int) -> dict[str, Any]:
    """The demo world is always there."""
    return {}


def open_copy(task: TextTask, sizes: Sizes, details: Mapping[str, Any], seed: int) -> SourceData:
    """Write `sizes.train` training and `sizes.test` test texts.

    Raises:
        UserError: the demo world has no such task.
    """
    from tangent.demo.text_world import task_rows

    splits = {
        split: TextRows(*task_rows(task.name, split, n, seed), f"demo {task.name} {split}")
        for split, n in (("train", sizes.train), ("test", sizes.test))
    }
    return SourceData(splits["train"], None, splits["test"], task.classes)
