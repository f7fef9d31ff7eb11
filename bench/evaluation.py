"""Evaluation on one data set: what the arithmetic needs, ours, the baseline."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from bench.baselines import re_evaluated_sweep
from bench.harness import Setting, compared, table
from bench.subjects import Subject, subject_of
from tangent.evaluation.edited_plain import PlainEditedModel
from tangent.evaluation.features import Images, attention_of_device, encode, jacobian_products
from tangent.evaluation.product_passes import images_per_pass

MINIMUM_GOAL, SWEEP_GOAL = 1.2, 1.15
BATCH = 128


def run(setting: Setting) -> str:
    """One table: all products of a data set's images, and two sweeps."""
    subject, counts = subject_of(setting), (1, 2) if setting.quick else (1, 2, 4, 8)
    images = subject.test_images(setting.scaled(256, 1280, 8))
    few = subject.test_images(setting.scaled(128, 640, 8))
    encoder, directions = subject.encoder(), subject.task_vectors(counts[-1])
    tau = {name: value[0] for name, value in directions.items()}
    alphas = np.linspace(0, 1, 3 if setting.quick else 21).tolist()

    def forward() -> None:
        with torch.inference_mode(), attention_of_device(setting.device):
            for batch in images.batches(BATCH):
                encoder(batch)

    runs = {0: forward}
    for count in counts:
        of_count = {name: value[:count] for name, value in directions.items()}
        runs[count] = lambda of=of_count: all_products(encoder, of, images)
    times = setting.alternate(runs)
    rows = []
    for count in counts:
        passes = 1 + 2 * count
        minimum = [passes * seconds for seconds in times[0]]
        what = f"J(x)·τ of {count} vector{'s' * (count > 1)}"
        baseline = f"{passes} forward passes (the arithmetic's minimum)"
        rows.append(compared(what, baseline, "s", times[count], minimum, MINIMUM_GOAL))

    def looked_up() -> list[np.ndarray]:
        """By the workflow's two jobs, features and products give every α."""
        value = encode(encoder, few, BATCH)
        product = all_products(encoder, {name: one[None] for name, one in tau.items()}, few)[0]
        return [value + alpha * product for alpha in alphas]

    sweeps = {
        "ours": looked_up,
        "theirs": lambda: re_evaluated_sweep(encoder, tau, lambda: few.batches(BATCH), alphas),
    }
    found = setting.alternate(sweeps, fewest=2, most=5, warm_up=0)
    what = f"features at {len(alphas)} α of one vector"
    rows.append(compared(what, "re-evaluating sweep", "s", *found.values()))
    rows.append(_standard_sweep(subject, tau, len(few), len(alphas) - 1))
    note = (
        f"{subject.folder.name}, {len(images)} test images of one data set, batches of {BATCH}, "
        "float32 (smaller ones with many vectors, as the workflow divides them); reading and "
        "normalising are in all times. On a task's images the workflow needs 2 vectors, 3 on test "
        "images with a heat map, on the control task's all 8. The baseline of the sweep runs the "
        f"linearized model for each of {len(alphas)} α ({len(few)} images). In the standard mode "
        "ours reads the images, loads and edits the weights and brings the features to the CPU; "
        "the bare passes find their batches on the device and drop their results."
    )
    return table("Evaluating edited models", rows, note)


def _standard_sweep(subject: Subject, tau: Mapping[str, Tensor], size: int, passes: int) -> dict:
    encoder = subject.encoder()
    batches = list(subject.test_images(size).batches(BATCH))

    def ours() -> None:
        def load(*_: object) -> Images:  # anew: images that are kept stay with their object
            return subject.test_images(size)

        model = PlainEditedModel(subject.encoder(), {"task": tau}, load, batch_size=BATCH)
        for number in range(1, passes + 1):  # α = 0 is looked up
            model.features({"task": number / passes}, "task", "validation")

    def bare() -> None:
        with torch.inference_mode(), attention_of_device(batches[0].device):
            for _ in range(passes):
                for batch in batches:
                    encoder(batch)

    times = subject.setting.alternate({"ours": ours, "bare": bare}, fewest=3, most=10)
    what = f"features at {passes} α, standard mode"
    return compared(what, f"{passes} bare forward passes", "s", *times.values(), SWEEP_GOAL)


def all_products(
    encoder: nn.Module, directions: Mapping[str, Tensor], images: Images
) -> np.ndarray:
    """Ours: products with all task vectors [vectors, images, d], batches as the workflow's."""
    count = len(next(iter(directions.values())))
    batch = images_per_pass(len(images), BATCH, count)
    return jacobian_products(encoder, directions, images, batch)
