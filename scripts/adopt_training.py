"""Take the training at the chosen learning rate, made to choose it, for the study's own."""

import shutil
from pathlib import Path

from scripts import cli

FILES = ("encoder.safetensors", "log.csv", "metrics.json")
EVENTS = "events"


class Arguments(cli.Common):
    model: str = cli.argument("name of the model")
    training: str = cli.argument("name of the training")
    seed: int = cli.argument("seed of the trainings that were compared")
    learning_rate_file: Path = cli.argument("chosen.json")
    candidates: dict[str, Path] = cli.argument("the folder of the training at each rate")
    output_dir: Path = cli.argument("folder for encoder, log, metrics and events")


def run(arguments: Arguments) -> None:
    """Copy what the training wrote.

    Not links: Snakemake changes the time stamps of a job's outputs, and with a link's those of the
    training, which would look newer than what was computed from it.
    """
    from tangent.jobs import files, provenance
    from tangent.jobs.errors import UserError

    identity = arguments.chosen("model", "training", "seed")
    rate = files.read_choice(arguments.learning_rate_file, "learning_rate", **identity)
    folders = {float(name): folder for name, folder in arguments.candidates.items()}
    if rate not in folders:
        raise UserError(
            f"{arguments.learning_rate_file} chooses {rate:g}, which is none of the candidates: "
            "delete it and run its step again."
        )
    events = sorted((folders[rate] / EVENTS).glob("[!.]*"))  # hidden: Snakemake's time stamp
    copied = [*(folders[rate] / name for name in FILES), *events]
    provenance.note_inputs([arguments.learning_rate_file, *copied])
    shutil.rmtree(arguments.output_dir / EVENTS, ignore_errors=True)
    files.check_writable(arguments.output_dir / EVENTS)
    for source in copied:
        with files.atomic_path(
            arguments.output_dir / source.relative_to(folders[rate])
        ) as temporary:
            shutil.copyfile(source, temporary)
