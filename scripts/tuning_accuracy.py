"""Single-task validation accuracy of a training at one of the learning rates to choose from.

It runs the model, linearized if the training was: no other step has to come before. A training
that diverged is right on no image, so that its rate is the worst one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scripts import cli
from scripts.encoder_arguments import EncodingArguments

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Arguments(EncodingArguments):
    finetuned_encoder: Path = cli.argument("θ*, trained at this rate (safetensors)")
    heads_dir: Path = cli.argument("folder of the heads, {task}/head.safetensors")
    model: str = cli.argument("name of the model, recorded with the result")
    training: str = cli.argument("how θ* was trained: standard, linear, …")
    task: str = cli.argument("the task")
    seed: int = cli.argument("seed of the training")
    learning_rate: float = cli.argument("AdamW's peak learning rate in the training")
    output: Path = cli.argument("accuracy.json")


def run(arguments: Arguments) -> None:
    """Write the accuracy at α = 1, and which images were right, for paired comparisons."""
    import numpy as np

    from tangent.data.split import split_path
    from tangent.evaluation.evaluation_task import Accuracy, EvaluationTask, head_path
    from tangent.jobs.files import read_safetensors
    from tangent.training.learning_rates import SPLIT

    name = arguments.task
    task = EvaluationTask.load(
        name, arguments.heads_dir, arguments.datasets_dir, arguments.head_kind()
    )
    theta_star, _ = read_safetensors(arguments.finetuned_encoder)
    if all(bool(value.isfinite().all()) for value in theta_star.values()):
        measured = task.accuracy_of(_features(arguments, SPLIT, theta_star), SPLIT)
    else:
        measured = Accuracy(np.zeros(len(task.labels(SPLIT)), bool), task.head.classes)
    inputs = [
        arguments.finetuned_encoder,
        head_path(arguments.heads_dir, name),
        split_path(arguments.datasets_dir / name, SPLIT),
    ]
    result = {
        **arguments.chosen("model", "training", "task", "seed", "learning_rate"),
        "split": SPLIT,
        **measured.as_json(),
    }
    arguments.write(arguments.output, result, inputs)


def _features(arguments: Arguments, split: str, theta_star: Mapping[str, Tensor]) -> np.ndarray:
    """Features [images, features] at θ0 + τ, of the model or of its linearization."""
    from tangent.arithmetic.linearized import parameters_of
    from tangent.arithmetic.modes import TRAININGS, look_up
    from tangent.arithmetic.task_vector import TaskVector, edit_
    from tangent.evaluation.features import encode, jacobian_products
    from tangent.evaluation.product_passes import images_per_pass

    encoder, examples = arguments.load_encoder(), arguments.images_of()(arguments.task, split)
    size, autocast = arguments.batch_size, arguments.autocast
    theta0 = parameters_of(encoder)
    trained = {name: value for name, value in theta_star.items() if name in theta0}
    cpu = {name: value.cpu() for name, value in theta0.items()}
    vector = TaskVector.from_checkpoints(cpu, trained)
    if look_up(TRAININGS, "training", arguments.training).model == "plain":
        edit_(encoder, theta0, [(1.0, vector)])
        return encode(encoder, examples, size, autocast)
    directions = {name: vector[name].to(value)[None] for name, value in theta0.items()}
    together = images_per_pass(len(examples), size, tangents=1)
    initial = encode(encoder, examples, size, autocast)
    (product,) = jacobian_products(encoder, directions, examples, together, autocast)
    return initial + product
