"""Growth of the products' time and memory with the number of tasks."""

from functools import partial

from bench.evaluation import all_products
from bench.harness import Setting, table
from bench.subjects import subject_of


def run(setting: Setting) -> str:
    """One table: J(x)·τ of the same images with more and more task vectors."""
    subject = subject_of(setting)
    encoder, images = subject.encoder(), subject.pictures(setting.scaled(64, 640, 8))
    rows = []
    for count in (2, 4) if setting.quick else (2, 4, 8, 20):
        directions = subject.task_vectors(count)

        products = partial(all_products, encoder, directions, images)
        seconds = setting.seconds(products, 0.0 if setting.quick else 2.0)
        peak = setting.peak_memory(products, [*encoder.parameters(), *directions.values()])
        row = {"task vectors": count, "s": seconds, "s per vector": seconds / count}
        rows.append(row | {"peak MB": peak})
    note = f"{subject.folder.name}, {len(images)} images. Memory is that of all tensors."
    return table("Growth of products with the task vectors", rows, note)
