"""Rendered and bundled images of the demo world."""

from collections.abc import Mapping
from typing import Any, Literal

from tangent.data.sources.source import ArrayRows, Sizes, Source, SourceData
from tangent.jobs.keys import Seed
from tangent.tasks.task_files import AnyTask


class DemoImages(Source):
    """Images of the demo world, rendered or cut from images that dependencies carry."""

    source: Literal["demo"]
    """`demo`: the demo world's own images."""
    seed: Seed
    """Seed of the rendering. Not the study's seed."""

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Render `sizes.train` training and `sizes.test` test images."""
        from tangent.demo.world import render_task

        def rows(split: str, n: int) -> ArrayRows:
            made = render_task(task.name, split, n, self.seed)
            return ArrayRows(*made, f"demo {task.name} {split}")

        return SourceData(rows("train", sizes.train), None, rows("test", sizes.test), task.classes)
