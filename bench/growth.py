"""How time and memory grow: with tasks, α, images, weights."""

from __future__ import annotations

from collections.abc import Callable

import torch

from bench.evaluation import all_products, looked_up_sweep, stacked
from bench.harness import Run, peak_memory
from bench.linear_step import linear_step, standard_step
from bench.subjects import Setting, Subject
from bench.tables import Table

COLUMNS = ("what grows", "to", "of", "s", "peak MB")
TASKS, POINTS, WIDTHS = (2, 4, 8, 20), (6, 21, 101), (96, 192, 288)
IMAGES = {"cpu": (64, 128, 256), "cuda": (320, 640, 1280)}


def run(setting: Setting) -> list[Table]:
    """One table; each value is the faster of two runs after a warm-up."""
    rows = [*_tasks(setting), *_points(setting), *_images(setting), *_weights(setting)]
    notes = [
        f"{setting.subject.name}, or vision transformers of its depth with random weights. "
        "Products: J(x)·τ, with growing task vectors of the fewest images; a sweep: one vector at "
        "all α. Memory is that of all tensors."
    ]
    return [Table("growth", "Growth of time and memory", COLUMNS, rows, notes)]


def _tasks(setting: Setting) -> list[tuple]:
    subject = setting.subject
    encoder, images = subject.encoder(), subject.test_images(setting.scaled(64, 640, 8))
    rows = []
    for count in TASKS[:2] if setting.quick else TASKS:
        directions = stacked(subject.task_vectors(count))
        held = [*encoder.parameters(), *directions.values()]

        def products(directions=directions) -> None:
            all_products(encoder, directions, images)

        rows.append(
            ("task vectors", count, "products", *_cost(setting, products, lambda held=held: held))
        )
    return rows


def _points(setting: Setting) -> list[tuple]:
    subject = setting.subject
    images = subject.test_images(setting.scaled(64, 640, 8))
    encoder, direction = subject.encoder(), stacked(subject.task_vectors(1))
    held = [*encoder.parameters(), *direction.values()]
    rows = []
    for count in POINTS[:2] if setting.quick else POINTS:
        alphas = torch.linspace(0, 1, count).tolist()

        def sweep(alphas=alphas) -> None:
            looked_up_sweep(encoder, direction, images, alphas)

        rows.append(
            ("points of α", count, "linearized sweep", *_cost(setting, sweep, lambda: held))
        )
    return rows


def _images(setting: Setting) -> list[tuple]:
    subject = setting.subject
    encoder, direction = subject.encoder(), stacked(subject.task_vectors(1))
    held = [*encoder.parameters(), *direction.values()]
    rows = []
    for count in (4, 8) if setting.quick else IMAGES[setting.device]:
        images = subject.test_images(count)

        def products(images=images) -> None:
            all_products(encoder, direction, images)

        rows.append(("images", count, "products", *_cost(setting, products, lambda: held)))
    return rows


def _weights(setting: Setting) -> list[tuple]:
    rows = []
    for width in WIDTHS[:1] if setting.quick else WIDTHS:
        config = dict(setting.subject.config)
        config["vision_cfg"] = config["vision_cfg"] | {"width": width}
        subject = Subject.random(setting, f"{setting.subject.name}-{width}", config)
        weights = sum(value.numel() for value in subject.encoder().parameters())
        for name, make in (("standard step", standard_step), ("linear step", linear_step)):
            step = make(subject, "bfloat16")
            step()
            rows.append(("weights", weights, name, *_cost(setting, step, step.rest)))
    return rows


def _cost(setting: Setting, run: Run, rest: Callable[[], list]) -> tuple[float, float]:
    """Seconds and MB; `rest` gives the tensors in memory between two runs."""
    run()
    seconds = min(setting.clock.seconds(run) for _ in range(2))
    return seconds, peak_memory(run, setting.device, rest()) / 1e6
