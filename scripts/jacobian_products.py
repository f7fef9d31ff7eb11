"""Products J(x)·τ of one task vector with the Jacobian at θ0: all that linearized models need."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scripts import cli
from scripts.encoder_arguments import EncoderArguments
from tangent.datasets.split import split_path
from tangent.files import write_safetensors
from tangent.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Arguments(EncoderArguments):
    """One Jacobian-vector product per image of the data sets named."""

    task_vectors: dict[str, Path] = cli.argument("task vectors; several are summed")
    validation: list[str] = cli.argument("data sets whose validation images are wanted")
    test: list[str] = cli.argument("data sets whose test images are wanted")
    batch_size: int = cli.argument("images per pass", 256)
    output_dir: Path = cli.argument("folder of validation.safetensors and test.safetensors")


def run(arguments: Arguments) -> None:
    """Write one file per split, with one tensor [images, features] per data set."""
    from tangent.features import jacobian_products
    from tangent.task_vector import TaskVector

    load = arguments.images_of()
    encoder = arguments.load_encoder()
    tau = TaskVector.sum([TaskVector.load(path) for path in arguments.task_vectors.values()])
    vector = "+".join(arguments.task_vectors)
    for split, datasets in (("validation", arguments.validation), ("test", arguments.test)):
        products = {}
        for dataset in datasets:
            images = load(dataset, split)
            name = f"J(x)τ of {vector}, {dataset}, {split}"
            with Progress(name, len(images), "image") as progress:
                products[dataset] = jacobian_products(
                    encoder, tau, images, arguments.batch_size, progress
                )
        inputs = [split_path(arguments.datasets_dir / dataset, split) for dataset in datasets]
        inputs += arguments.task_vectors.values()
        metadata = {"vector": vector, "provenance": json.dumps(arguments.provenance(inputs))}
        write_safetensors(arguments.output_dir / f"{split}.safetensors", products, metadata)


if __name__ == "__main__":
    cli.main(Arguments, run)
