"""Decode a task's images once, cut the validation split, check and hash the splits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Decode a task's images once, cut the validation split, check and hash the splits."""

    task: str = cli.argument("name of the task; its classes are in tangent/tasks")
    located: Path = cli.argument("where the images are: the file that locate_dataset wrote")
    image_size: int = cli.argument("height and width of the model's images, in pixels")
    splits: list[str] = cli.argument("splits that are wanted", ["train", "validation", "test"])
    order: Literal["content", "name", "source"] = cli.argument("row order before the cut")
    train_images: int = cli.argument("expected size of the official training set")
    validation_images: int | None = cli.argument("expected size of its own validation set", None)
    test_images: int = cli.argument("expected size of the official test set")
    validation_fraction: float = cli.argument("share of the training set to hold out")
    validation_maximum: int = cli.argument("largest number of images to hold out")
    threads: int = cli.argument("images that are decoded at the same time", 1)
    output_dir: Path = cli.argument("folder for the splits and dataset.json")

    def settings(self) -> dict[str, Any]:
        """All arguments but those that cannot change a result."""
        settings = super().settings()
        del settings["threads"]
        return settings


def run(arguments: Arguments) -> None:
    """Write {split}.safetensors, and dataset.json last."""
    from tangent.data.output import ImageForm
    from tangent.data.preparation import Recipe, prepare
    from tangent.data.sources.locating import open_source, read_located
    from tangent.data.sources.source import Sizes
    from tangent.jobs import provenance
    from tangent.jobs.files import write_json
    from tangent.tasks.task_files import load_task

    task = load_task(arguments.task)
    located = read_located(arguments.located)
    sizes = Sizes(arguments.train_images, arguments.validation_images, arguments.test_images)
    recipe = Recipe(
        form=ImageForm(arguments.image_size),
        order=arguments.order,
        has_validation=sizes.validation is not None,
        fraction=arguments.validation_fraction,
        maximum=arguments.validation_maximum,
        splits=tuple(arguments.splits),
        threads=arguments.threads,
    )
    content = {
        "task": task.name,
        "classes": list(task.classes),
        "official_sizes": asdict(sizes),
        **prepare(task, open_source(task, located, sizes), recipe, arguments.output_dir),
        "source": asdict(located),
        "provenance": provenance.record([arguments.located], arguments.settings(), arguments.code),
    }
    write_json(arguments.output_dir / "dataset.json", content)


if __name__ == "__main__":
    cli.main(Arguments, run)
