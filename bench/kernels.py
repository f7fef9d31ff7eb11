"""Tangent kernels: ours beside the dense method with all gradients in memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.baselines import dense_kernel, dense_kernel_bytes
from bench.harness import Ratio, alternate, peak_memory
from bench.subjects import PAPER_MODEL, Setting
from bench.tables import Line, Table, lines_table
from tangent.estimate.models import architecture_of
from tangent.linearize import parameters_of
from tangent.ntk import classifier, ntk_gram

PAPER_IMAGES, PAPER_OUTPUTS = 2000, 45  # issue 4; 45 are the classes of RESISC45


def run(setting: Setting) -> list[Table]:
    """Comparison with the dense method, cost by images, and the memory at the paper's size."""
    return [_comparison(setting), _by_images(setting), _at_full_size()]


def _comparison(setting: Setting) -> Table:
    images, outputs = setting.scaled(20, 20, 3), 3
    ours, dense, held = _kernels(setting, images, outputs)
    runs = {"ours": ours, "dense": dense}
    times = alternate(runs, setting.clock.seconds, **setting.measuring)
    peaks = [peak_memory(run, setting.device, held) / 1e6 for run in (ours, dense)]
    what = f"kernels of {outputs} logits, {images} images"
    lines = [
        Line(what, "dense, all gradients in memory", Ratio.of(*times.values()), "s"),
        Line(f"peak memory of {what}", "dense", Ratio.of(peaks[:1], peaks[1:]), "MB"),
    ]
    notes = [
        f"{setting.subject.name}. The dense method's kernel is that of all logits with each other."
    ]
    return lines_table("kernels", "Tangent kernels", lines, notes)


def _by_images(setting: Setting) -> Table:
    outputs, rows = 3, []
    for images in (2, 4) if setting.quick else (10, 20, 40):
        ours, _, held = _kernels(setting, images, outputs)
        ours()
        seconds = setting.clock.seconds(ours)
        rows.append((images, seconds, peak_memory(ours, setting.device, held) / 1e6))
    title = f"Growth of tangent kernels of {outputs} logits with images"
    return Table("kernels-images", title, ("images", "s", "peak MB"), rows)


def _kernels(
    setting: Setting, images: int, outputs: int
) -> tuple[Callable[[], Tensor], Callable[[], Tensor], list[Tensor]]:
    """Ours, the dense baseline, and the tensors that both find in memory."""
    subject = setting.subject
    encoder, head, batch = subject.encoder(), subject.head(outputs), subject.batch(images)
    f, theta0 = classifier(encoder, head), parameters_of(encoder)
    held = [*theta0.values(), head, batch]

    def ours() -> Tensor:
        return ntk_gram(f, theta0, batch, logits=range(outputs))

    def dense() -> Tensor:
        with torch.no_grad():
            return dense_kernel(f, theta0, batch)

    return ours, dense, held


def _at_full_size() -> Table:
    weights = architecture_of(PAPER_MODEL, "ViT-B-32").encoder_parameters
    dense = dense_kernel_bytes(PAPER_IMAGES, PAPER_OUTPUTS, weights)
    title = "Kernel of ViT-B-32 at full size: memory by formula"
    columns = ("images", "outputs", "weights", "dense method, TB")
    return Table(
        "kernels-full-size", title, columns, [(PAPER_IMAGES, PAPER_OUTPUTS, weights, dense / 1e12)]
    )
