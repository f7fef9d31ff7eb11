"""Sweep α of θ0 − α τ_t on validation splits, and choose it by the task and the control task."""

from pathlib import Path

from scripts import cli
from scripts.edited_arguments import EditedArguments
from tangent.arithmetic.alphas import choose_negation_alpha
from tangent.evaluation import negation
from tangent.evaluation.evaluation_task import SPLIT, SweepPoint
from tangent.jobs.files import write_csv


class Arguments(EditedArguments):
    task: str = cli.argument("the task to forget")
    control: str = cli.argument("the task to keep")
    alphas: list[float] = cli.argument("the grid of α")
    control_threshold: float = cli.argument("share of the pre-trained control accuracy to keep")
    output_dir: Path = cli.argument("folder of sweep.csv and alpha.json")


def run(arguments: Arguments) -> None:
    """Write the whole sweep and the α that forgets most among those that keep the control task."""
    names = [arguments.task, arguments.control]
    target, control = map(arguments.load_task, names)
    edited = arguments.edited_model()
    pretrained = negation.pretrained(edited, (target, control), SPLIT)
    points = negation.sweep(edited, target, control, arguments.alphas, pretrained)
    about = {"operation": "negation", **arguments.identity()}
    of_sweep = about | {"target": arguments.task}
    write_csv(arguments.output_dir / "sweep.csv", SweepPoint._fields, points, of_sweep)
    required = arguments.control_threshold * pretrained[arguments.control]
    curves = [[point.accuracy for point in points if point.task == name] for name in names]
    alpha = choose_negation_alpha(arguments.alphas, *curves, required)
    result = about | {"vector": arguments.task, "alpha": alpha, "split": SPLIT}
    result["control_threshold"] = arguments.control_threshold
    arguments.write_of(arguments.output_dir / "alpha.json", result, names, [SPLIT])
