"""Write a randomly initialised encoder of a model's architecture (paper, table 3)."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    pretrained_dir: Path = cli.argument("the model's folder, for its configuration and constants")
    seed: int = cli.argument("seed of the initialisation")
    output: Path = cli.argument("encoder to write (safetensors)")


def run(arguments: Arguments) -> None:
    from tangent.jobs.files import write_safetensors
    from tangent.models.encoders import random_encoder
    from tangent.models.families import ENCODER_FILE, config_path, family_of

    folder = arguments.pretrained_dir
    encoder = random_encoder(folder, arguments.seed)
    inputs = [config_path(folder)]
    if family_of(folder).constants:
        inputs.append(folder / ENCODER_FILE)
    about = {"model": f"{folder.name}-random", "seed": str(arguments.seed)}
    metadata = arguments.metadata(inputs, **about)
    write_safetensors(arguments.output, encoder.state_dict(), metadata)
