"""Zero-shot accuracy of the pre-trained model on every task, from its stored features."""

from pathlib import Path

from scripts import cli
from tangent.data.split import split_path
from tangent.evaluation.evaluation_task import SPLITS, EvaluationTask, head_path
from tangent.evaluation.feature_tables import stored_features


class Arguments(cli.Common):
    model: str = cli.argument("name of the model")
    seed: int = cli.argument("study seed (it matters for a random initialisation only)")
    initial_features: dict[str, Path] = cli.argument("a folder of f(x; θ0) per data set")
    heads_dir: Path = cli.argument("folder of the heads, {task}/head.safetensors")
    head_kind: str | None = cli.argument(
        "kind that the heads must be of: zero_shot, probe, …", None
    )
    datasets_dir: Path = cli.argument("folder of the data sets, {task}/{split}.safetensors")
    output: Path = cli.argument("zero_shot.json")


def run(arguments: Arguments) -> None:
    heads_dir, datasets_dir = arguments.heads_dir, arguments.datasets_dir
    folders, kind = arguments.initial_features, arguments.head_kind
    tasks = [EvaluationTask.load(name, heads_dir, datasets_dir, kind) for name in folders]
    initial = stored_features(folders)
    inputs = [head_path(heads_dir, name) for name in folders]
    for name, folder in folders.items():
        inputs += [split_path(datasets_dir / name, split) for split in SPLITS]
        inputs += [split_path(folder, split) for split in SPLITS]
    result = {
        "model": arguments.model,
        "mode": "zero_shot",
        "seed": arguments.seed,
        "tasks": {
            task.name: {
                split: task.accuracy_of(initial[task.name, split], split).as_json()
                for split in SPLITS
            }
            for task in tasks
        },
    }
    arguments.write(arguments.output, result, inputs)
