"""Texts of the demo world."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from tangent.data.sources.source import Sizes, Source, SourceData, TextRows
from tangent.jobs.keys import Seed
from tangent.tasks.task_files import AnyTask


class DemoTexts(Source):
    """Texts of the demo world, written by a grammar."""

    gives: ClassVar[tuple[str, ...]] = ("text",)

    source: Literal["demo_text"]
    """`demo_text`: the demo world's own texts."""
    seed: Seed
    """Seed of the texts. Not the study's seed."""

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Write `sizes.train` training and `sizes.test` test texts."""
        from tangent.demo.text_world import task_rows

        def rows(split: str, n: int) -> TextRows:
            made = task_rows(task.name, split, n, self.seed)
            return TextRows(*made, f"demo {task.name} {split}")

        return SourceData(rows("train", sizes.train), None, rows("test", sizes.test), task.classes)
