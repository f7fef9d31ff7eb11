"""How time and memory of the products grow with the number of tasks."""

from __future__ import annotations

from bench.evaluation import all_products, stacked
from bench.harness import peak_memory
from bench.subjects import Setting
from bench.tables import Table

COLUMNS = ("task vectors", "s", "s per vector", "peak MB")
TASKS = (2, 4, 8, 20)


def run(setting: Setting) -> list[Table]:
    """One table: J(x)·τ of the same images with more and more task vectors."""
    subject = setting.subject
    encoder, images = subject.encoder(), subject.test_images(setting.scaled(64, 640, 8))
    rows = []
    for count in TASKS[:2] if setting.quick else TASKS:
        directions = stacked(subject.task_vectors(count))
        held = [*encoder.parameters(), *directions.values()]

        def products(directions=directions) -> None:
            all_products(encoder, directions, images)

        seconds = setting.clock.seconds_per_run(products, 0.0 if setting.quick else 2.0)
        peak = peak_memory(products, setting.device, held) / 1e6
        rows.append((count, seconds, seconds / count, peak))
    notes = [f"{subject.name}, {len(images)} images. Memory is that of all tensors."]
    return [Table("Growth of products with the task vectors", COLUMNS, rows, notes)]
