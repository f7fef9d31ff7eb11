"""Evaluating linearized models on one data set: what the arithmetic needs, ours, the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from bench.baselines import re_evaluated_sweep
from bench.harness import Ratio, alternate
from bench.subjects import Setting
from bench.tables import Line, Table, lines_table
from tangent.features import Images, attention_of_device
from tangent.linearize import multi_jvp_features, parameters_of

MINIMUM_GOAL = 1.2
POINTS = 21  # α of a sweep
BATCH = 128


def run(setting: Setting) -> list[Table]:
    """One table: all products of a data set's images, and a sweep."""
    subject, tasks = setting.subject, 2 if setting.quick else 8
    images = subject.test_images(setting.scaled(256, 1280, 8))
    encoder = subject.encoder()
    taus = subject.task_vectors(tasks + 1)  # their sum is one more direction
    alphas = [number / (POINTS - 1) for number in range(3 if setting.quick else POINTS)]
    runs = {
        "forward": lambda: forward(encoder, images),
        "products": lambda: all_products(encoder, taus, images),
        "one product": lambda: all_products(encoder, taus[:1], images),
    }
    times = alternate(runs, setting.clock.seconds, **setting.measuring)
    lines = []
    for name, count in (("one product", 1), ("products", len(taus))):
        minimum = [(1 + 2 * count) * seconds for seconds in times["forward"]]
        what = f"f(x; θ0) and J(x)·τ of {count} vector{'s' * (count > 1)}"
        floor = f"{1 + 2 * count} forward passes (the arithmetic's minimum)"
        lines.append(Line(what, floor, Ratio.of(times[name], minimum), "s", MINIMUM_GOAL))
    few = subject.test_images(setting.scaled(128, 640, 8))
    lines.append(_sweep(setting, encoder, taus[0], few, alphas))
    notes = [
        f"{subject.name}, {len(images)} test images of one data set, batches of {BATCH}, float32; "
        "reading and normalising are in all times. The baseline of the sweep runs the linearized "
        f"model for each of {len(alphas)} α ({len(few)} images)."
    ]
    return [lines_table("evaluation", "Evaluating linearized models", lines, notes)]


def _sweep(
    setting: Setting,
    encoder: nn.Module,
    tau: Mapping[str, Tensor],
    images: Images,
    alphas: list[float],
) -> Line:
    runs = {
        "ours": lambda: looked_up_sweep(encoder, tau, images, alphas),
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


def all_products(
    encoder: nn.Module, taus: Iterable[Mapping[str, Tensor]], images: Images
) -> list[tuple[Tensor, list[Tensor]]]:
    """Ours: features at θ0 and products with every vector, batch by batch."""
    theta0 = parameters_of(encoder)
    with torch.no_grad():
        return [
            multi_jvp_features(encoder, theta0, list(taus), batch)
            for batch in images.batches(BATCH)
        ]


def looked_up_sweep(
    encoder: nn.Module, tau: Mapping[str, Tensor], images: Images, alphas: Iterable[float]
) -> list[Tensor]:
    """Ours: one pass for value and product, which give every α."""
    parts = all_products(encoder, [tau], images)
    value = torch.cat([part[0] for part in parts])
    product = torch.cat([part[1][0] for part in parts])
    return [value + alpha * product for alpha in alphas]
