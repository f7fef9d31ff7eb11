"""Evaluating the standard mode at many α: the weights are edited, the images are not read again."""

from __future__ import annotations

import torch
from torch import nn

from bench.evaluation import BATCH, POINTS
from bench.harness import Ratio, alternate
from bench.subjects import Setting
from bench.tables import Line, Table, lines_table
from tangent.evaluation.edited_plain import PlainEditedModel
from tangent.evaluation.features import Images, attention_of_device

GOAL = 1.15
TASK, SPLIT = "task", "validation"


def run(setting: Setting) -> list[Table]:
    """One line: a sweep beside bare passes of the same model over images in memory."""
    subject = setting.subject
    size = setting.scaled(128, 1280, 8)
    images = subject.test_images(size)
    passes = 2 if setting.quick else POINTS - 1  # α = 0 is looked up
    tau = subject.task_vectors(1)[0]
    encoder = subject.encoder()
    batches = list(images.batches(BATCH))

    def ours() -> None:
        def load(*_: object) -> Images:  # anew: images that are kept stay with their object
            return subject.test_images(size)

        model = PlainEditedModel(subject.encoder(), {TASK: tau}, load, batch_size=BATCH)
        for number in range(1, passes + 1):
            model.features({TASK: number / passes}, TASK, SPLIT)

    runs = {"ours": ours, "bare": lambda: _bare(encoder, batches, passes)}
    measuring = setting.measuring | {"repetitions": (2 if setting.quick else 3, 10)}
    times = alternate(runs, setting.clock.seconds, **measuring)
    ratio = Ratio.of(times["ours"], times["bare"])
    what = f"features at {passes} α, standard mode"
    line = Line(what, f"{passes} bare forward passes", ratio, "s", GOAL)
    notes = [
        f"{subject.name}, {len(images)} images, batches of {BATCH}, float32. Ours reads the "
        "images, loads and edits the weights and brings the features to the CPU; the bare passes "
        "find their batches on the device and drop their results."
    ]
    return [lines_table("sweeps", "Evaluating the standard mode at many α", [line], notes)]


def _bare(encoder: nn.Module, batches: list[torch.Tensor], passes: int) -> None:
    with torch.inference_mode(), attention_of_device(batches[0].device):
        for _ in range(passes):
            for batch in batches:
                encoder(batch)
