"""Products J(x)·τ of one data set with the Jacobian at θ0: all that linearized models need."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts import cli
from scripts.encoder_arguments import EncoderArguments
from tangent.data.split import split_path
from tangent.jobs.files import write_safetensors


@dataclass(frozen=True, kw_only=True)
class Arguments(EncoderArguments):
    """Jacobian-vector products of each image of a data set, with several task vectors at once."""

    dataset: str = cli.argument("name of the data set")
    task_vectors: dict[str, Path] = cli.argument("task vectors by name, of tasks or merged")
    validation: list[str] = cli.argument("names wanted on validation images")
    test: list[str] = cli.argument("names wanted on test images")
    batch_size: int = cli.argument("images per forward pass; fewer with many vectors", 256)
    autocast: Literal["bfloat16", "none"] = cli.argument("precision of matrix products", "none")
    output_dir: Path = cli.argument("folder of validation.safetensors and test.safetensors")


def run(arguments: Arguments) -> None:
    """Write one file per split, with one tensor [images, features] per task vector."""
    from tangent.evaluation.products import dataset_products

    products = dataset_products(
        arguments.load_encoder(),
        arguments.task_vectors,
        {"validation": arguments.validation, "test": arguments.test},
        arguments.images_of(),
        arguments.dataset,
        arguments.batch_size,
        arguments.autocast,
    )
    for split, by_vector in products.items():
        inputs = [split_path(arguments.datasets_dir / arguments.dataset, split)]
        inputs += arguments.task_vectors.values()
        metadata = {
            "dataset": arguments.dataset,
            "provenance": json.dumps(arguments.provenance(inputs)),
        }
        write_safetensors(arguments.output_dir / f"{split}.safetensors", by_vector, metadata)


if __name__ == "__main__":
    cli.main(Arguments, run)
