"""Choose the learning rate of a training: the best mean single-task validation accuracy."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    model: str = cli.argument("name of the model")
    training: str = cli.argument("name of the training")
    seed: int = cli.argument("seed of the trainings that are compared")
    accuracies: list[Path] = cli.argument("accuracy.json of every rate and task")
    output: Path = cli.argument("chosen.json")


def run(arguments: Arguments) -> None:
    """Write the rate, and nothing that another grid with the same choice would change.

    What it was chosen from is in the record of the job.
    """
    from tangent.jobs import provenance
    from tangent.jobs.files import read_record, write_json
    from tangent.training.learning_rates import SPLIT, check_inside, choose

    identity = arguments.chosen("model", "training", "seed")
    found: dict[float, dict[str, float]] = {}
    for path in arguments.accuracies:
        record = read_record(path, split=SPLIT, **identity)
        found.setdefault(record["learning_rate"], {})[record["task"]] = record["accuracy"]
    provenance.note_inputs(arguments.accuracies)
    chosen = choose(found)
    key = f"finetuning.learning_rate.{arguments.training}.grid"
    check_inside(list(found), chosen, key, f"{arguments.model}, {arguments.training} training")
    write_json(arguments.output, {**identity, "split": SPLIT, "learning_rate": chosen})
