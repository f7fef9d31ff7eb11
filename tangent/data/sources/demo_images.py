"""Rendered and bundled images of the demo world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tangent.data.sources.rows import ArrayRows
from tangent.data.sources.source import Sizes, SourceData
from tangent.tasks.image_task import Task

OPTIONS = ("seed",)
KINDS = ("image",)


def locate(task: Task, sizes: Sizes, seed: int) -> dict[str, Any]:
    """The demo world is always there."""
    return {}


def open_copy(task: Task, sizes: Sizes, details: Mapping[str, Any], seed: int) -> SourceData:
    """Render `sizes.train` training and `sizes.test` test images.

    Raises:
        UserError: the demo world has no such task, or fewer images.
    """
    from tangent.demo.world import render_task

    splits = {
        split: ArrayRows(*render_task(task.name, split, n, seed), f"demo {task.name} {split}")
        for split, n in (("train", sizes.train), ("test", sizes.test))
    }
    return SourceData(splits["train"], None, splits["test"], task.classes)
