"""Evaluating linearized models on one data set: what the arithmetic needs, ours, the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from bench.baselines import re_evaluated_sweep
from bench.harness import Ratio, alternate
from bench.subjects import Setting
from bench.tables import Line, Table, lines_table
from tangent.evaluation.features import Images, attention_of_device, encode, jacobian_products
from tangent.evaluation.product_passes import images_per_pass

MINIMUM_GOAL = 1.2
POINTS = 21  # α of a sweep
BATCH = 128


def run(setting: Setting) -> list[Table]:
    """One table: all products of a data set's images, and a sweep."""
    subject, counts = setting.subject, (1, 2) if setting.quick else (1, 2, 4, 8)
    images = subject.test_images(setting.scaled(256, 1280, 8))
    encoder = subject.encoder()
    taus = subject.task_vectors(counts[-1])
    directions = {count: stacked(taus[:count]) for count in counts}
    alphas = [number / (POINTS - 1) for number in range(3 if setting.quick else POINTS)]
    runs = {0: lambda: forward(encoder, images)}
    for count in counts:
        runs[count] = lambda of=directions[count]: all_products(encoder, of, images)
    times = alternate(runs, setting.clock.seconds, **setting.measuring)
    lines = []
    for count in counts:
        minimum = [(1 + 2 * count) * seconds for seconds in times[0]]
        what = f"J(x)·τ of {count} vector{'s' * (count > 1)}"
        floor = f"{1 + 2 * count} forward passes (the arithmetic's minimum)"
        lines.append(Line(what, floor, Ratio.of(times[count], minimum), "s", MINIMUM_GOAL))
    few = subject.test_images(setting.scaled(128, 640, 8))
    lines.append(_sweep(setting, encoder, directions[1], few, alphas))
    notes = [
        f"{subject.name}, {len(images)} test images of one data set, batches of {BATCH}, float32 "
        "(smaller ones with many vectors, as the workflow divides them); reading and normalising "
        "are in all times. On a task's images the workflow needs 2 vectors, 3 on test images with "
        "a heat map, on the control task's all 8. The baseline of the sweep runs the linearized "
        f"model for each of {len(alphas)} α ({len(few)} images)."
    ]
    return [lines_table("evaluation", "Evaluating linearized models", lines, notes)]


def _sweep(
    setting: Setting,
    encoder: nn.Module,
    direction: Mapping[str, Tensor],
    images: Images,
    alphas: list[float],
) -> Line:
    tau = {name: value[0] for name, value in direction.items()}
    runs = {
        "ours": lambda: looked_up_sweep(encoder, direction, images, alphas),
        "baseline": lambda: re_evaluated_sweep(encoder, tau, lambda: images.batches(BATCH), alphas),
    }
    measuring = setting.measuring | {"repetitions": (2, 5)}
    times = alternate(runs, setting.clock.seconds, **measuring, warm_up=0)
    ratio = Ratio.of(times["ours"], times["baseline"])
    return Line(f"features at {len(alphas)} α of one vector", "re-evaluating sweep", ratio, "s")


def forward(encoder: nn.Module, images: Images) -> None:
    """A bare pass over the images."""
    with torch.inference_mode(), attention_of_device(next(encoder.parameters()).device):
        for batch in images.batches(BATCH):
            encoder(batch)


def stacked(taus: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Of each weight all task vectors, [vectors, *shape]."""
    return {name: torch.stack([tau[name] for tau in taus]) for name in taus[0]}


def all_products(
    encoder: nn.Module, directions: Mapping[str, Tensor], images: Images
) -> np.ndarray:
    """Ours: products with all task vectors [vectors, images, d], batches as the workflow's."""
    count = len(next(iter(directions.values())))
    return jacobian_products(
        encoder, directions, images, images_per_pass(len(images), BATCH, count)
    )


def looked_up_sweep(
    encoder: nn.Module,
    direction: Mapping[str, Tensor],
    images: Images,
    alphas: Iterable[float],
) -> list[np.ndarray]:
    """Ours: features and products, by the workflow's two jobs, give every α."""
    value = encode(encoder, images, BATCH)
    product = all_products(encoder, direction, images)[0]
    return [value + alpha * product for alpha in alphas]
