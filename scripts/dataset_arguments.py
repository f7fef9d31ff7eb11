"""Arguments of the steps that prepare a task's data, and the preparation."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from scripts import cli


class DatasetArguments(cli.Common):
    task: str = cli.argument("name of the task")
    located: Path = cli.argument("where the data are: the file that locate_dataset wrote")
    splits: list[str] = cli.argument("splits that are wanted", ["train", "validation", "test"])
    order: Literal["content", "name", "source"] = cli.argument("row order before the cut")
    duplicates: Literal["refuse", "warn"] = cli.argument(
        "what to do if many examples stand in two official splits", "refuse", False
    )
    train_images: int = cli.argument("expected size of the official training set")
    validation_images: int | None = cli.argument("expected size of its own validation set", None)
    test_images: int = cli.argument("expected size of the official test set")
    validation_fraction: float = cli.argument("share of the training set to hold out")
    validation_maximum: int = cli.argument("largest number of examples to hold out")
    output_dir: Path = cli.argument("folder for the splits and dataset.json")

    def prepare(self, form: Any, others: list[Path], threads: int = 1) -> None:
        """Write {split}.safetensors in the `form` of the model's inputs, and dataset.json last.

        `others` are files that were read beside `located`.
        """
        from tangent.data.preparation import Recipe, prepare
        from tangent.data.sources.locating import open_source, read_located
        from tangent.data.sources.source import Sizes
        from tangent.tasks.task_files import described_task

        task, located = described_task(self.task, self.located), read_located(self.located)
        sizes = Sizes(self.train_images, self.validation_images, self.test_images)
        recipe = Recipe(
            form=form,
            order=self.order,
            duplicates=self.duplicates,
            has_validation=sizes.validation is not None,
            fraction=self.validation_fraction,
            maximum=self.validation_maximum,
            splits=tuple(self.splits),
            threads=threads,
        )
        content = {
            "task": task.name,
            "classes": list(task.classes),
            "official_sizes": asdict(sizes),
            **prepare(task, open_source(task, located, sizes), recipe, self.output_dir),
            "source": asdict(located),
        }
        self.write(self.output_dir / "dataset.json", content, [self.located, *others])
