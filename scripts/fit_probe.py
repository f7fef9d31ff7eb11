"""Fit a linear probe of the features at θ0; without --train-dir the model's own classifier."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scripts import cli
from scripts.encoder_arguments import EncodingArguments

if TYPE_CHECKING:
    from torch import nn

    from tangent.models.heads.head import Head
    from tangent.models.heads.probe import Labelled
    from tangent.tasks.task_files import Task


class Arguments(EncodingArguments):
    task: str = cli.argument("name of the task")
    located: Path | None = cli.argument("what locate_dataset wrote, unless it is our task", None)
    train_dir: Path | None = cli.argument("folder of the data set with the training images", None)
    strengths: list[float] = cli.argument("log-spaced grid of C: MINIMUM MAXIMUM POINTS")
    deviation: Literal["own", "common"] = cli.argument("what features are divided by", "own")
    share: float = cli.argument("share of the training images to fit to", 1.0)
    output: Path = cli.argument("head.safetensors")


def run(arguments: Arguments) -> None:
    """Write the head; its metadata say how it was made."""
    from tangent.models.closed_vocabulary import MODEL_FILE
    from tangent.models.heads.probe import own_classifier
    from tangent.models.heads.stored import save_head
    from tangent.tasks.task_files import described_task

    task = described_task(arguments.task, arguments.located)
    if arguments.train_dir is None:
        inputs, details = [arguments.pretrained_dir / MODEL_FILE], {"made_by": "pre-training"}
        head = own_classifier(inputs[0], arguments.encoder, task)
    else:
        head, inputs, details = _fitted(arguments, task)
    inputs += [arguments.located] if arguments.located else []
    metadata = arguments.metadata(inputs, model=arguments.pretrained_dir.name, **details)
    save_head(arguments.output, head, task, metadata)


def _fitted(arguments: Arguments, task: Task) -> tuple[Head, list[Path], dict[str, str]]:
    import numpy as np
    from threadpoolctl import threadpool_limits

    from tangent.data.split import split_path
    from tangent.models.heads.probe import fit

    folders = {"train": arguments.train_dir, "validation": arguments.datasets_dir / task.name}
    encoder = arguments.load_encoder()
    train, validation = (
        _labelled(arguments, encoder, folder, split) for split, folder in folders.items()
    )
    with threadpool_limits(arguments.threads):  # the last bits of a sum depend on it
        minimum, maximum, points = arguments.strengths
        strengths = np.geomspace(minimum, maximum, int(points)).tolist()
        found = fit(train, validation, task.classes, strengths, task.name, arguments.deviation)
    details = {
        "made_by": "logistic regression",
        "fitted_images": str(len(train.labels)),
        "C": repr(found.chosen),
        "validation_accuracies": json.dumps(found.accuracies),
    }
    return found.head, [split_path(folder, split) for split, folder in folders.items()], details


def _labelled(arguments: Arguments, encoder: nn.Module, folder: Path, split: str) -> Labelled:
    import numpy as np

    from tangent.data.split import load_split, sample_rows
    from tangent.evaluation.features import Images, encode
    from tangent.jobs.progress import Progress
    from tangent.models.families import preprocess_config
    from tangent.models.heads.probe import Labelled

    preprocess = preprocess_config(arguments.pretrained_dir)
    stored = load_split(folder, split, preprocess)
    rows = np.arange(len(stored))
    if split == "train":
        rows = sample_rows(len(stored), max(1, round(arguments.share * len(stored))), seed=0)
    images = Images(stored, preprocess, next(encoder.parameters()).device, rows)
    with Progress(f"features, {arguments.task}, {split}", len(images), "image") as progress:
        features = encode(encoder, images, arguments.batch_size, arguments.autocast, progress)
    return Labelled(features, stored.labels[rows])
