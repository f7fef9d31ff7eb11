"""Tokenise a task's texts for a model, cut the validation split, check and hash the splits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Tokenise a task's texts for a model, cut the validation split, check and hash the splits."""

    task: str = cli.argument("name of the task; its prompt and answers are in tangent/tasks")
    located: Path = cli.argument("where the texts are: the file that locate_dataset wrote")
    pretrained_dir: Path = cli.argument("the model's folder, for its tokenizer and lengths")
    splits: list[str] = cli.argument("splits that are wanted", ["train", "validation", "test"])
    order: Literal["content", "name", "source"] = cli.argument("row order before the cut")
    train_images: int = cli.argument("expected size of the official training set")
    validation_images: int | None = cli.argument("expected size of its own validation set", None)
    test_images: int = cli.argument("expected size of the official test set")
    validation_fraction: float = cli.argument("share of the training set to hold out")
    validation_maximum: int = cli.argument("largest number of texts to hold out")
    output_dir: Path = cli.argument("folder for the splits and dataset.json")


def run(arguments: Arguments) -> None:
    """Write {split}.safetensors, and dataset.json last."""
    from tangent.data.preparation import Recipe, prepare
    from tangent.data.sources.locating import open_source, read_located
    from tangent.data.sources.source import Sizes
    from tangent.data.tokens import TextForm
    from tangent.jobs import provenance
    from tangent.jobs.files import sha256_file, write_json
    from tangent.models.families import config_path, preprocess_config
    from tangent.models.t5_tokenizer import TOKENIZER_FILE, load_tokenizer
    from tangent.tasks.task_files import load_task

    task = load_task(arguments.task)
    located = read_located(arguments.located)
    sizes = Sizes(arguments.train_images, arguments.validation_images, arguments.test_images)
    tokenizer_file = arguments.pretrained_dir / TOKENIZER_FILE
    form = TextForm(
        load_tokenizer(arguments.pretrained_dir),
        sha256_file(tokenizer_file),
        **preprocess_config(arguments.pretrained_dir),
    )
    recipe = Recipe(
        form=form,
        order=arguments.order,
        has_validation=sizes.validation is not None,
        fraction=arguments.validation_fraction,
        maximum=arguments.validation_maximum,
        splits=tuple(arguments.splits),
    )
    inputs = [arguments.located, config_path(arguments.pretrained_dir), tokenizer_file]
    content = {
        "task": task.name,
        "classes": list(task.classes),
        "official_sizes": asdict(sizes),
        **prepare(task, open_source(task, located, sizes), recipe, arguments.output_dir),
        "source": asdict(located),
        "provenance": provenance.record(inputs, arguments.settings(), arguments.code),
    }
    write_json(arguments.output_dir / "dataset.json", content)


if __name__ == "__main__":
    cli.main(Arguments, run)
