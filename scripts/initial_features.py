"""Features f(x; θ0) of a data set's validation and test images: the table that α = 0 reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts import cli
from scripts.encoder_arguments import EncoderArguments
from tangent.data.split import split_path
from tangent.jobs.files import write_safetensors
from tangent.jobs.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Arguments(EncoderArguments):
    """Encode validation and test images of a data set with the encoder at θ0."""

    dataset: str = cli.argument("name of the data set")
    batch_size: int = cli.argument("images per pass", 256)
    autocast: Literal["bfloat16", "none"] = cli.argument("precision of matrix products", "none")
    output_dir: Path = cli.argument("folder of validation.safetensors and test.safetensors")


def run(arguments: Arguments) -> None:
    """Write one file per split, with one tensor `features` [images, features]."""
    from tangent.evaluation.features import encode

    dataset = arguments.dataset
    load = arguments.images_of()
    encoder = arguments.load_encoder()
    for split in ("validation", "test"):
        images = load(dataset, split)
        with Progress(f"features, {dataset}, {split}", len(images), "image") as progress:
            features = encode(encoder, images, arguments.batch_size, arguments.autocast, progress)
        inputs = [split_path(arguments.datasets_dir / dataset, split)]
        metadata = {
            "dataset": dataset,
            "provenance": json.dumps(arguments.provenance(inputs)),
        }
        path = arguments.output_dir / f"{split}.safetensors"
        write_safetensors(path, {"features": features}, metadata)


if __name__ == "__main__":
    cli.main(Arguments, run)
