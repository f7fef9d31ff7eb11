"""Proposition 1, checked numerically: localized eigenfunctions and the interference of tasks.

The tangent kernel between tasks is weakened step by step, and all tasks are learned with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scripts import cli
from scripts.encoder_arguments import EncoderArguments
from tangent.data.split import sample_rows, split_path
from tangent.evaluation.evaluation_task import EvaluationTask, head_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_csv

if TYPE_CHECKING:
    from torch import Tensor

    from tangent.kernels.coupling import CouplingResult
    from tangent.models.heads.head import Head

COUPLINGS = tuple(round(0.1 * step, 1) for step in range(11))
COLUMNS = ("coupling", "localization", "interference")


class Arguments(EncoderArguments):
    model: str = cli.argument("name of the model")
    seed: int = cli.argument("study seed: draws the images and the logit")
    heads_dir: Path = cli.argument("folder of the zero-shot heads, {task}/head.safetensors")
    tasks: list[str] = cli.argument("the tasks, at least two")
    images: int = cli.argument("training images of each task; all of them if there are fewer")
    components: int = cli.argument("leading eigenfunctions per task whose localization is measured")
    memory: int | None = cli.argument("bytes for gradients; the device's default without", None)
    output_dir: Path = cli.argument(
        "folder of interference.csv, functions.csv and proposition1.json"
    )

    if_out_of_memory = "Lower compute.memory.kernels or eigenfunctions.images."


def run(arguments: Arguments) -> None:
    """One kernel of all tasks' training images, for one logit among the classes of all tasks."""
    if len(set(arguments.tasks)) < 2:
        raise UserError("proposition 1 compares tasks: give at least two different --tasks.")
    folders, kind = (arguments.heads_dir, arguments.datasets_dir), arguments.head_kind()
    tasks = [EvaluationTask.load(name, *folders, kind) for name in arguments.tasks]
    load = arguments.images_of()
    drawn, examples = zip(
        *(load.sample(task.name, "train", arguments.images, arguments.seed) for task in tasks),
        strict=True,
    )
    images = [of_task.whole() for of_task in examples]
    labels = [task.labels("train")[rows] for task, rows in zip(tasks, drawn, strict=True)]
    head = type(tasks[0].head).joined([task.head for task in tasks])
    logit = int(sample_rows(head.classes, 1, arguments.seed)[0])
    results = _results(arguments, head, images, labels, logit)
    rows = [[getattr(result, column) for column in COLUMNS] for result in results]
    about = arguments.chosen("model", "seed")
    write_csv(arguments.output_dir / "interference.csv", COLUMNS, rows, about)
    places = [(task.name, int(row)) for task, of in zip(tasks, drawn, strict=True) for row in of]
    functions = zip(places, results[-1].own, results[-1].others, strict=True)
    rows = [(*place, own, others) for place, own, others in functions]
    columns = ("task", "image", "own", "others")
    write_csv(arguments.output_dir / "functions.csv", columns, rows, about)
    owners = [(task.name, index) for task in tasks for index in range(task.head.classes)]
    inputs = [head_path(arguments.heads_dir, name) for name in arguments.tasks]
    inputs += [split_path(arguments.datasets_dir / name, "train") for name in arguments.tasks]
    result = about | {"tasks": arguments.tasks, "images": arguments.images}
    result["logit"] = dict(zip(("task", "class"), owners[logit], strict=True))
    arguments.write(arguments.output_dir / "proposition1.json", result, inputs)


def _results(
    arguments: Arguments,
    head: Head,
    images: Sequence[Tensor],
    labels: Sequence[np.ndarray],
    logit: int,
) -> list[CouplingResult]:
    """Localization and interference for every coupling of the tasks' kernels.

    The target on each task tells its classes of even index from those of odd index.

    Raises:
        UserError: a task's images are all of even or all of odd classes.
    """
    import torch

    from tangent.arithmetic.linearized import parameters_of
    from tangent.kernels.coupling import check_proposition1
    from tangent.kernels.gram import budget, classifier, ntk_gram
    from tangent.kernels.kernel_cost import gradients_held, images_per_chunk

    encoder = arguments.load_encoder()
    theta0 = parameters_of(encoder)
    on_device = head.on(next(iter(theta0.values())).device)
    inputs = torch.cat([on_device.inputs(of_task) for of_task in images])
    # Gradients are as large as the model: hold those of some images, and make the rest again.
    weights, memory = budget(theta0, arguments.memory)
    held, chunk = gradients_held(weights, memory), images_per_chunk(weights, memory, 1)
    f = classifier(encoder, on_device)
    gram = ntk_gram(f, theta0, inputs, None, [logit], chunk, held)[0].cpu().numpy()
    membership = np.repeat(np.arange(len(labels)), [len(of_task) for of_task in labels])
    targets = np.concatenate(labels) % 2
    return check_proposition1(gram, membership, targets, COUPLINGS, arguments.components)
