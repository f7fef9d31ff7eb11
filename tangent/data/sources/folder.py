"""Copies on disk in the layouts of the earlier code bases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tangent.data.sources.layouts.places import LAYOUTS
from tangent.data.sources.source import Sizes, Source, SourceData
from tangent.jobs.errors import UserError
from tangent.jobs.keys import Folder
from tangent.tasks.task_files import AnyTask


class LayoutFolder(Source):
    """Files on this machine, in the layout that earlier code bases use (docs/datasets.md)."""

    source: Literal["folder"]
    """`folder`: a folder of this machine."""
    root: Folder
    """Folder that holds the data sets' own folders."""

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Find the task's files below the root, where the task's layout has them."""
        if task.name not in LAYOUTS:
            raise UserError(
                f"the task {task.name} has no folder layout; those that have one: "
                f"{', '.join(sorted(LAYOUTS))}. Choose another source."
            )
        layout, base = LAYOUTS[task.name], Path(self.root).expanduser()
        places = layout.places(base)
        if sizes.validation is not None and "validation" in set(layout.parts) - set(places):
            raise UserError(
                f"{base} has no {layout.parts['validation'][0]}, but datasets.{task.name}."
                f"validation_images says {sizes.validation}. Complete the copy, or set that key to "
                "null: then a validation split is cut from the training images."
            )
        return {"places": {name: str(path) for name, path in places.items()}}

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        return LAYOUTS[task.name].open_copy(details)
