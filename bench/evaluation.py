"""Evaluation on one data set: what the arithmetic needs, ours, the baseline."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from bench.harness import Setting, compared, table
from bench.linear_step import EagerLinearizedModel
from bench.subjects import subject_of
from tangent.evaluation.features import Images, attention_of_device, encode, jacobian_products
from tangent.evaluation.product_passes import images_per_pass

GOAL = 1.2
BATCH = 128


def run(setting: Setting) -> str:
    """One table: all products of a data set's images, and a sweep over α."""
    subject, counts = subject_of(setting), (1, 2) if setting.quick else (1, 2, 4, 8)
    images = subject.pictures(setting.scaled(256, 1280, 8))
    few = subject.pictures(setting.scaled(128, 640, 8))
    encoder, directions = subject.encoder(), subject.task_vectors(counts[-1])
    of_counts = {n: {name: value[:n] for name, value in directions.items()} for n in counts}
    alphas = np.linspace(0, 1, 3 if setting.quick else 21).tolist()

    def forward() -> None:
        with torch.inference_mode(), attention_of_device(setting.device):
            for batch in images.batches(BATCH):
                encoder(batch)

    def looked_up() -> list[np.ndarray]:
        """By the workflow's two jobs, features and products give every α."""
        value, [product] = encode(encoder, few, BATCH), all_products(encoder, of_counts[1], few)
        return [value + alpha * product for alpha in alphas]

    def re_evaluated() -> list[Tensor]:
        tau = {name: value[0] for name, value in directions.items()}
        return re_evaluated_sweep(subject.encoder(), tau, list(few.batches(BATCH)), alphas)

    runs = {n: partial(all_products, encoder, of_counts[n], images) for n in counts}
    runs |= {"forward": forward, "looked up": looked_up, "re-evaluated": re_evaluated}
    times = setting.in_turn(runs)
    rows = []
    for count in counts:
        passes = 1 + 2 * count
        minimum = [passes * seconds for seconds in times["forward"]]
        what = f"J(x)·τ of {count} vector{'s' * (count > 1)}"
        baseline = f"{passes} forward passes (the arithmetic's minimum)"
        rows.append(compared(what, baseline, "s", times[count], minimum, GOAL))
    what, pair = f"features at {len(alphas)} α of one vector", ("looked up", "re-evaluated")
    rows.append(compared(what, "re-evaluating sweep", "s", *(times[name] for name in pair)))
    note = (
        f"{subject.folder.name}, {len(images)} test images of one data set, batches of {BATCH}, "
        "float32 (smaller ones with many vectors, as the workflow divides them); reading and "
        "normalising are in all times. On a task's images the workflow needs 2 vectors, 3 on test "
        "images with a heat map, on the control task's all 8. The baseline of the sweep runs the "
        f"linearized model for each of {len(alphas)} α ({len(few)} images)."
    )
    return table("Evaluating edited models", rows, note)


def all_products(
    encoder: nn.Module, directions: Mapping[str, Tensor], images: Images
) -> np.ndarray:
    """Ours: products with all task vectors [vectors, images, d], batches as the workflow's."""
    count = len(next(iter(directions.values())))
    batch = images_per_pass(len(images), BATCH, count)
    return jacobian_products(encoder, directions, images, batch)


def re_evaluated_sweep(
    encoder: nn.Module,
    task_vector: Mapping[str, Tensor],
    batches: Iterable[Tensor],
    alphas: Sequence[float],
) -> list[Tensor]:
    """The baseline: f_lin(·; θ0 + ατ) evaluated anew for each α, features [images, d] each."""
    model = EagerLinearizedModel(encoder)
    tau = [task_vector[name] for name, _ in encoder.named_parameters()]
    found = []
    with torch.no_grad():
        for alpha in alphas:
            for value, theta0, direction in zip(
                model.theta, encoder.parameters(), tau, strict=True
            ):
                torch.add(theta0, direction, alpha=alpha, out=value)
            found.append(torch.cat([model(images) for images in batches]))
    return found
