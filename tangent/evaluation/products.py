"""Products J(x)·τ of a data set with several task vectors, which share the primal passes.

An image costs one forward pass, and a tangent (two forward passes) for each task vector. Those of a
large data set take hours: they are kept in a state file, and resumed to the same bits.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tangent.arithmetic.linearized import parameters_of
from tangent.arithmetic.task_vector import TaskVector, check_same_names_and_shapes
from tangent.evaluation.features import Examples, jacobian_products
from tangent.evaluation.product_passes import DIRECTION_BYTES, images_per_pass, tangents_per_pass
from tangent.jobs.checkpoint import Checkpoint
from tangent.jobs.errors import UserError
from tangent.jobs.progress import Progress

logger = logging.getLogger("tangent")


def dataset_products(
    encoder: nn.Module,
    files: Mapping[str, Path],
    vectors: Mapping[str, Sequence[str]],
    load_images: Callable[[str, str], Examples],
    dataset: str,
    batch_size: int,
    autocast: str = "none",
    checkpoint: Checkpoint | None = None,
    memory: int | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """J(x)·τ of one data set, [images, features] (float32) by split and task vector.

    Args:
        encoder: the encoder at θ0.
        files: the file of each task vector, by name.
        vectors: names of the task vectors wanted on each split.
        load_images: gives the images of (data set, split), on the encoder's device.
        dataset: name of the data set.
        batch_size: most images of a pass; fewer share it with many task vectors.
        autocast: `bfloat16` or `none` (float32).
        checkpoint: where the state is kept; None computes without one.
        memory: bytes for the task vectors of a pass; `DIRECTION_BYTES` of the device if None.

    Raises:
        Interrupted: a signal ended this after its state was saved.
        UserError: a task vector has no file, cannot be read, or belongs to another model.
    """
    theta0 = parameters_of(encoder)
    names = list(dict.fromkeys(name for wanted in vectors.values() for name in wanted))
    size = sum(value.nbytes for value in theta0.values())
    device = next(iter(theta0.values())).device
    memory = memory or DIRECTION_BYTES[device.type]
    together = tangents_per_pass(len(names), size, memory)
    saved = checkpoint.load() if checkpoint else None
    # Of finished passes, and the batches of the present one.
    products: dict[str, dict[str, Tensor]] = (
        saved["products"] if saved else {split: {} for split in vectors}
    )
    batches: list[Tensor] = [batch.to(device) for batch in saved["batches"]] if saved else []
    directions: dict[str, Tensor] = {}
    with checkpoint or nullcontext():
        for start in range(0, len(names), together):
            part = names[start : start + together]
            directions.clear()  # before the next ones take as much memory
            directions |= stacked_vectors(theta0, files, part)
            for split, wanted in vectors.items():
                left = [name for name in part if name in wanted and name not in products[split]]
                if not left:
                    continue
                rows = [part.index(name) for name in left]
                images = load_images(dataset, split)
                share = images_per_pass(len(images), batch_size, len(rows))
                done = min(len(batches) * share, len(images))
                name = f"J(x)τ of {', '.join(left)}, {dataset}, {split}"
                if done:
                    logger.info("resumed after image %d of %d: %s", done, len(images), name)
                with Progress(name, len(images), "image", done) as progress:
                    found = jacobian_products(
                        encoder,
                        {name: _select(value, rows) for name, value in directions.items()},
                        images,
                        share,
                        autocast,
                        progress,
                        batches,
                        partial(_keep, checkpoint, products, batches, progress),
                    )
                products[split] |= dict(zip(left, torch.from_numpy(found), strict=True))
                batches.clear()
    return {
        split: {name: products[split][name].numpy() for name in vectors[split]} for split in vectors
    }


def _keep(
    checkpoint: Checkpoint | None,
    products: Mapping[str, Mapping[str, Tensor]],
    batches: Sequence[Tensor],
    progress: Progress,
) -> None:
    if checkpoint:
        done = f"image {progress.done} of {progress.total}"
        checkpoint.keep(lambda: {"products": products, "batches": batches}, done)


def stacked_vectors(
    theta0: Mapping[str, Tensor], files: Mapping[str, Path], names: Sequence[str]
) -> dict[str, Tensor]:
    """Task vectors `names` from files, of each weight [names, *shape], of θ0's type and device.

    One file is in memory at a time, beside the result.

    Raises:
        UserError: a name has no file, or a file cannot be read or belongs to another model.
    """
    if lacking := [name for name in names if name not in files]:
        raise UserError(
            f"no task vector {lacking[0]!r}, only {', '.join(files)}: give its file too "
            "(--task-vectors NAME=FILE, made by scripts.extract_task_vector)."
        )
    stacked = {name: value.new_empty(len(names), *value.shape) for name, value in theta0.items()}
    for row, name in enumerate(names):
        tau = TaskVector.load(files[name])
        check_same_names_and_shapes(theta0, tau, "the model", str(files[name]))
        for key, value in stacked.items():
            value[row] = tau[key]
    return stacked


def _select(value: Tensor, rows: list[int]) -> Tensor:
    """Some rows; a view of the first ones, as directions are large."""
    return value[: len(rows)] if rows == list(range(len(rows))) else value[rows]
