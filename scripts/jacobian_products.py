"""Products J(x)·τ of one data set with the Jacobian at θ0: all that linearized models need."""

from pathlib import Path

from scripts import cli
from scripts.encoder_arguments import TableArguments


class Arguments(TableArguments):
    task_vectors: dict[str, Path] = cli.argument("task vectors by name, of tasks or merged")
    validation: list[str] = cli.argument("names wanted on validation images")
    test: list[str] = cli.argument("names wanted on test images")


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
        arguments.write_table(split, by_vector, arguments.task_vectors.values())
