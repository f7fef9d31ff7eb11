"""Proposition 1, checked numerically: localized eigenfunctions and the interference of tasks.

The tangent kernel between tasks is weakened step by step, and all tasks are learned with it.
"""

from dataclasses import asdict
from pathlib import Path

from scripts import cli
from scripts.encoder_arguments import EncoderArguments
from tangent.data.split import sample_rows, split_path
from tangent.evaluation.evaluation_task import EvaluationTask, head_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_csv

COLUMNS = ("coupling", "localization", "interference")


class Arguments(EncoderArguments):
    model: str = cli.argument("name of the model")
    seed: int = cli.argument("study seed: draws the images and the logit")
    heads_dir: Path = cli.argument("folder of the zero-shot heads, {task}/head.safetensors")
    tasks: list[str] = cli.argument("the tasks, at least two")
    images: int = cli.argument("training images of each task; all of them if there are fewer")
    components: int = cli.argument("leading eigenfunctions per task whose localization is measured")
    output_dir: Path = cli.argument(
        "folder of interference.csv, functions.csv and proposition1.json"
    )

    if_out_of_memory = "Lower eigenfunctions.images."


def run(arguments: Arguments) -> None:
    """One kernel of all tasks' training images, for one logit among the classes of all tasks."""
    from tangent.evaluation.interference import TaskImages, proposition1

    if len(set(arguments.tasks)) < 2:
        raise UserError("proposition 1 compares tasks: give at least two different --tasks.")
    folders, kind = (arguments.heads_dir, arguments.datasets_dir), arguments.head_kind()
    tasks = [EvaluationTask.load(name, *folders, kind) for name in arguments.tasks]
    load = arguments.images_of()

    drawn = []

    def sample(task: EvaluationTask) -> TaskImages:
        rows, images = load.sample(task.name, "train", arguments.images, arguments.seed)
        drawn.append(rows)
        return TaskImages(images.whole(), task.labels("train")[rows])

    head = type(tasks[0].head).joined([task.head for task in tasks])
    logit = int(sample_rows(head.classes, 1, arguments.seed)[0])
    samples = [sample(task) for task in tasks]
    results = proposition1(arguments.load_encoder(), head, samples, logit, arguments.components)
    rows = [[asdict(result)[column] for column in COLUMNS] for result in results]
    about = arguments.chosen("model", "seed")
    write_csv(arguments.output_dir / "interference.csv", COLUMNS, rows, about)
    images = [(task.name, int(row)) for task, of in zip(tasks, drawn, strict=True) for row in of]
    functions = zip(images, results[-1].own, results[-1].others, strict=True)
    rows = [(*image, own, others) for image, own, others in functions]
    columns = ("task", "image", "own", "others")
    write_csv(arguments.output_dir / "functions.csv", columns, rows, about)
    owners = [(task.name, index) for task in tasks for index in range(task.head.classes)]
    inputs = [head_path(arguments.heads_dir, name) for name in arguments.tasks]
    inputs += [split_path(arguments.datasets_dir / name, "train") for name in arguments.tasks]
    result = about | {"tasks": arguments.tasks, "images": arguments.images}
    result["logit"] = dict(zip(("task", "class"), owners[logit], strict=True))
    arguments.write(arguments.output_dir / "proposition1.json", result, inputs)
