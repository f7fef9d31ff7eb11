"""Weight-disentanglement error ξ(α1, α2) of a pair of tasks on a grid (figure 3).

It is the sum of the two tasks' rates of disagreement between single and joint edits, in [0, 2].
"""

from pathlib import Path
from typing import Any

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.arithmetic.alphas import SEARCH_BOX, alpha_grid
from tangent.data.split import sample_rows
from tangent.evaluation import disentanglement, outcomes
from tangent.jobs.files import write_csv
from tangent.jobs.progress import Progress

COLUMNS = ("alpha_1", "alpha_2", "error_1", "error_2", "error")
# In the box lies the search for α; an interval of the mean ξ needs each image's own mean.
REGIONS = {"search_box": SEARCH_BOX, "whole_grid": float("inf")}
SAMPLE_SEED = 0  # part of the protocol: every mode and study seed sees the same test images


class Arguments(EditedArguments):
    task_1: str = cli.argument("first task of the pair")
    task_2: str = cli.argument("second task of the pair")
    minimum: float = cli.argument("smallest coefficient of either task")
    maximum: float = cli.argument("largest coefficient of either task")
    points: int = cli.argument("coefficients of each task; the grid has points × points")
    images: int = cli.argument("test images of each task; all of them if there are fewer")
    output_dir: Path = cli.argument("folder of error.csv and error.json")


def run(arguments: Arguments) -> None:
    names = (arguments.task_1, arguments.task_2)
    tasks = [arguments.load_task(name) for name in names]
    pair = [
        disentanglement.PairMember(
            task.name,
            task.head,
            sample_rows(len(task.labels("test")), arguments.images, SAMPLE_SEED),
        )
        for task in tasks
    ]
    alphas = alpha_grid(arguments.minimum, arguments.maximum, arguments.points)
    edited = arguments.edited_model()
    with Progress(f"ξ of {' and '.join(names)}", len(alphas) ** 2, "point") as progress:
        xi = disentanglement.disentanglement_error(edited, *pair, alphas, on_point=progress.update)
    error_1, error_2 = xi.error_1, xi.error_2
    rows = [
        (alpha_1, alpha_2, error_1[i, j], error_2[i, j], error_1[i, j] + error_2[i, j])
        for i, alpha_1 in enumerate(alphas)
        for j, alpha_2 in enumerate(alphas)
    ]
    about = arguments.identity() | {"task_1": names[0], "task_2": names[1]}
    write_csv(arguments.output_dir / "error.csv", COLUMNS, rows, about)
    result = about | {"images": arguments.images, "n": {m.name: len(m.rows) for m in pair}}
    result["disagreements"] = {
        region: _disagreements(xi, names, limit) for region, limit in REGIONS.items()
    }
    arguments.write_of(arguments.output_dir / "error.json", result, names, ["test"])


def _disagreements(
    xi: disentanglement.DisentanglementError, names: tuple[str, str], limit: float
) -> dict[str, Any]:
    """At how many of the `points` inside each image's predictions differ, by task."""
    inside = xi.inside(limit)
    points = int(inside.sum())
    counts = [disagree[inside].sum(axis=0) for disagree in (xi.disagree_1, xi.disagree_2)]
    texts = [outcomes.encode_counts(of_task, points) for of_task in counts]
    return {"points": points, "counts": dict(zip(names, texts, strict=True))}
