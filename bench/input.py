"""Images per second from the prepared cache to the device, beside what the model eats."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from bench.evaluation import BATCH
from bench.evaluation import forward as evaluate
from bench.harness import alternate
from bench.linear_step import linear_step, standard_step
from bench.subjects import CLASSES, PAPER_MODEL, TASK, Setting, Subject
from bench.tables import Table
from tangent.config.cost.model_sizes import architecture_of
from tangent.config.cost.passes import Pass, Work
from tangent.config.cost.throughput import Machine
from tangent.data.split import Split, load_split
from tangent.training.batches import TrainingBatches
from tangent.training.training_images import TrainingImages

GPU, UTILIZATION = "H200", 0.35  # as in `tangent.config.schema.Estimate`
COLUMNS = (
    "images", "for", "input, images/s", "model", "model, images/s", "input / model",
    "fast enough",
)  # fmt: skip


def run(setting: Setting) -> list[Table]:
    """One table; for a CPU also caches of the paper's size, without their model."""
    rows = list(_rows(setting, setting.subject))
    notes = [
        f"{setting.subject.name}. Input is what TrainingBatches and Images.batches do: reading the "
        "cache, the copy, augmentation, normalisation. On a GPU the next training batch is made "
        "while the model works on the last one, and its time is the wall's. "
        f"CPU: {setting.threads} threads share both, and both columns count their time."
    ]
    if setting.device == "cpu" and not setting.quick:
        rows += _paper_rows(setting)
        notes.append(
            "224 px: images per second of one core of a CPU. On a GPU, augmentation and "
            "normalisation are the GPU's work, and what is left to one core of its job is reading "
            "the cache; beside "
            f"it stands what the arithmetic of ViT-B-32 at {UTILIZATION:.0%} of the peak eats."
        )
    return [Table("input", "Input beside the model", COLUMNS, rows, notes)]


def _rows(setting: Setting, subject: Subject) -> Iterator[tuple]:
    size = f"{subject.image_size} px"
    split = training_split(setting, subject, setting.scaled(2000, 4096, 16))
    batches = training_batches(setting, subject, split)
    dtype = "bfloat16"
    steps = {
        "standard step": standard_step(subject, dtype),
        "linear step": linear_step(subject, dtype),
    }
    images = subject.test_images(setting.scaled(256, 1280, 8))
    encoder = subject.encoder()
    runs: dict[str, Callable[[], object]] = {
        "training": lambda: draw(batches),
        "evaluation": lambda: [None for _ in images.batches(BATCH)],
        "forward pass and input": lambda: evaluate(encoder, images),
        **steps,
    }
    times = alternate(runs, setting.clock.seconds, **setting.measuring)
    seconds = {name: float(np.median(values)) for name, values in times.items()}
    per_step = setting.scaled(128, 128, 4)
    for name in steps:
        yield _row(
            size, "training", len(split) / seconds["training"], name, per_step / seconds[name]
        )
    model = seconds["forward pass and input"] - seconds["evaluation"]
    rate = len(images) / seconds["evaluation"]
    yield _row(size, "evaluation", rate, "forward pass", len(images) / model)


def _paper_rows(setting: Setting) -> Iterator[tuple]:
    subject = Subject.of_source(setting, "ViT-B-32", PAPER_MODEL)
    split = training_split(setting, subject, 400)
    batches = training_batches(setting, subject, split)
    images = subject.test_images(100)
    runs = {
        "training": lambda: draw(batches),
        "training, reading the cache alone": lambda: read(split),
        "evaluation": lambda: [None for _ in images.batches(BATCH)],
    }
    times = alternate(runs, setting.clock.seconds, **setting.measuring | {"budget": 10.0})
    # Of one core.
    images_per_second = {
        name: (len(images) if name == "evaluation" else len(split))
        / (float(np.median(seconds)) * setting.threads)
        for name, seconds in times.items()
    }
    size = "224 px, originals 400 × 300"
    yield (size, "training", images_per_second.pop("training"), None, None, None, None)
    for (name, rate), model in zip(
        images_per_second.items(), ("standard step", "forward"), strict=True
    ):
        yield _row(size, name, rate, f"{model}, {GPU} (assumed)", assumed_rate(model))


def assumed_rate(kind: Pass) -> float:
    """Images per second of ViT-B-32 on a GPU, by arithmetic and an assumed share of its peak."""
    dtype = "bfloat16" if kind.endswith("step") else "float32"
    model = architecture_of(PAPER_MODEL, "ViT-B-32")
    return 1 / Machine(GPU, UTILIZATION, []).time(model, Work(kind, 1), dtype).seconds


def _row(pixels: str, what: str, rate: float, model: str, eaten: float) -> tuple:
    verdict = "yes" if rate >= eaten else "no"
    return (pixels, what, rate, model, eaten, rate / eaten, verdict)


def training_split(setting: Setting, subject: Subject, images: int) -> Split:
    """Of a data set that the pipeline prepared, the demo's own where the model is."""
    if subject.image_size == 32 and not setting.quick:
        folder = subject.dataset({"source": "demo", "seed": 0}, 2000, 500)
    else:
        source = {"source": "synthetic", "height": 300, "width": 400, "seed": 0}
        folder = subject.dataset(source, images, CLASSES)
    return load_split(folder / TASK, "train", subject.preprocess)


def training_batches(setting: Setting, subject: Subject, split: Split) -> TrainingBatches:
    """Its batches on the device, as a training asks for them."""
    device = torch.device(setting.device)
    return TrainingBatches(TrainingImages(split), subject.preprocess, 128, 0, TASK, device)


def draw(batches: TrainingBatches) -> None:
    """One epoch."""
    for _ in batches.from_step(0, 1):
        pass


def read(split: Split) -> None:
    """All images once, from the cache into memory."""
    for start in range(0, len(split), BATCH):
        split.read(np.arange(start, min(start + BATCH, len(split))))
