"""Products J(x)·τ of one data set with the Jacobian at θ0: all that linearized models need.

Killed at any moment, it resumes to the same bits.
"""

from pathlib import Path

from scripts import cli
from scripts.encoder_arguments import TableArguments


class Arguments(TableArguments):
    task_vectors: dict[str, Path] = cli.argument("task vectors by name, of tasks or merged")
    validation: list[str] = cli.argument("names wanted on validation images")
    test: list[str] = cli.argument("names wanted on test images")
    memory: int | None = cli.argument(
        "bytes for the task vectors of a pass; the device's default without", None
    )
    seconds_between_states: float = cli.argument("how often to save the state", 30.0, False)

    if_out_of_memory = "Lower compute.memory.products or compute.evaluation_batch_size."


def run(arguments: Arguments) -> None:
    """Write one file per split, with one tensor [images, features] per task vector."""
    from tangent.data.split import split_path
    from tangent.evaluation.products import dataset_products
    from tangent.jobs.checkpoint import Checkpoint

    vectors = {"validation": arguments.validation, "test": arguments.test}
    # Before the provenance, which names a GPU only if one is in use.
    encoder = arguments.load_encoder()
    splits = [split_path(arguments.datasets_dir / arguments.dataset, split) for split in vectors]
    block = arguments.provenance([*splits, *arguments.task_vectors.values()])
    decisive = {
        "settings": arguments.chosen("dataset", "batch_size", "autocast", "threads", "memory"),
        "vectors": vectors,
        # Of the files, wherever they lie: the contents, and which vector is in which.
        "inputs": sorted(block["inputs"].values()),
        "task_vectors": {
            name: block["inputs"][str(path)] for name, path in arguments.task_vectors.items()
        },
        **{name: block[name] for name in ("code", "versions", "device")},
    }
    state = arguments.output_dir / "state.pt"
    checkpoint = Checkpoint(state, decisive, arguments.seconds_between_states)
    products = dataset_products(
        encoder,
        arguments.task_vectors,
        vectors,
        arguments.images_of(),
        arguments.dataset,
        arguments.batch_size,
        arguments.autocast,
        checkpoint,
        arguments.memory,
    )
    for split, by_vector in products.items():
        arguments.write_table(split, by_vector, arguments.task_vectors.values())
    checkpoint.remove()
