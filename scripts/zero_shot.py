"""Zero-shot accuracy of the pre-trained model on every task, from its stored features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts import cli
from tangent import provenance
from tangent.datasets.split import split_path
from tangent.edited import StoredFeatures
from tangent.evaluation.single_task import SPLITS, zero_shot
from tangent.evaluation.tasks import EvaluationTask, head_path
from tangent.files import write_json


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Zero-shot accuracy on validation and test of every task."""

    model: str = cli.argument("name of the model")
    seed: int = cli.argument("study seed (it matters for a random initialisation only)")
    features_dir: Path = cli.argument("folder of f(x; θ0), {split}.safetensors")
    heads_dir: Path = cli.argument("folder of the zero-shot heads, {task}/head.safetensors")
    datasets_dir: Path = cli.argument("folder of the data sets, {task}/{split}.safetensors")
    tasks: list[str] = cli.argument("tasks, with the control task")
    output: Path = cli.argument("zero_shot.json")


def run(arguments: Arguments) -> None:
    """Apply each task's head to the stored features of its images."""
    features = StoredFeatures(arguments.features_dir)
    heads_dir, datasets_dir = arguments.heads_dir, arguments.datasets_dir
    tasks = [EvaluationTask.load(name, heads_dir, datasets_dir) for name in arguments.tasks]
    measured = zero_shot(features, tasks)
    inputs = [features.path(split) for split in SPLITS]
    for name in arguments.tasks:
        inputs.append(head_path(heads_dir, name))
        inputs += [split_path(datasets_dir / name, split) for split in SPLITS]
    result = {
        "model": arguments.model,
        "seed": arguments.seed,
        "tasks": {
            name: {split: value.as_json() for split, value in splits.items()}
            for name, splits in measured.items()
        },
        "provenance": provenance.record(inputs, arguments.settings(), arguments.code),
    }
    write_json(arguments.output, result)


if __name__ == "__main__":
    cli.main(Arguments, run)
