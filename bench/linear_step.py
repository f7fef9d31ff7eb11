"""The training step of the linear fine-tuning beside the standard one and the eager reference."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.baselines import EagerLinearizedModel
from bench.harness import Ratio, alternate, peak_memory
from bench.subjects import Setting, Subject
from bench.tables import Line, Table, lines_table
from tangent.arithmetic.linearized import linearize
from tangent.training.forward_backward import ForwardBackward

STEP_GOAL, MEMORY_GOAL, REFERENCE_GOAL = 1.7, 1.15, 1 / 3


class Step:
    """A step as `tangent.finetune` takes it, without reading images: forward, backward, AdamW.

    Args:
        model: images to features; trained in place.
        subject: whose head and images are used.
        dtype: of the matrix products: `bfloat16` (autocast) or `float32`.
        compiled: whether forward and backward pass are compiled, as the pipeline does it.
    """

    def __init__(self, model: nn.Module, subject: Subject, dtype: str, compiled: bool) -> None:
        self._images = subject.batch(subject.setting.scaled(128, 128, 4))
        self._head = subject.head()
        self._labels = (
            torch.arange(len(self._images), device=self._head.device) % self._head.classes
        )
        self.model = model
        autocast = "bfloat16" if dtype == "bfloat16" else "none"
        self._forward_backward = ForwardBackward(model, self._head, autocast)
        self._parameters = [value for value in model.parameters() if value.requires_grad]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=1e-5, weight_decay=0.1, fused=True)
        if compiled:
            self._forward_backward.compile(self._images)

    def __call__(self) -> None:
        """Take one step."""
        self._optimizer.zero_grad(set_to_none=True)
        self._forward_backward(self._images, self._labels, 1 / len(self._images))
        nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()

    def rest(self) -> list[Tensor]:
        """All that is in memory between two steps; gradients are let go first."""
        self._optimizer.zero_grad(set_to_none=True)
        states = [value for state in self._optimizer.state.values() for value in state.values()]
        own = [*self.model.parameters(), *self.model.buffers(), *states]
        return [*own, self._images, self._labels]


def standard_step(subject: Subject, dtype: str, compiled: bool = False) -> Step:
    """The plain model's."""
    return Step(subject.encoder(), subject, dtype, compiled)


def linear_step(subject: Subject, dtype: str, compiled: bool = False) -> Step:
    """Ours."""
    return Step(linearize(subject.encoder()), subject, dtype, compiled)


def reference_step(subject: Subject, dtype: str) -> Step:
    """`torch.func.jvp` differentiated by autograd."""
    return Step(EagerLinearizedModel(subject.encoder()), subject, dtype, compiled=False)


def run(setting: Setting) -> list[Table]:
    """Time and memory of the steps, in the types that are trained in."""
    lines = [line for dtype in _dtypes(setting) for line in _lines(setting, dtype)]
    notes = [
        f"{setting.subject.name}, batches of {setting.scaled(128, 128, 4)} random images; a step "
        "is forward, backward, clipping and AdamW. The arithmetic's floor of linear over standard "
        "is 5/3. The reference differentiates `torch.func.jvp` as it stands. Memory is that of all "
        "tensors: weights, optimiser, activations."
    ]
    return [lines_table("linear-step", "Linear fine-tuning step", lines, notes)]


def _dtypes(setting: Setting) -> list[str]:
    return ["bfloat16", "float32"] if setting.device == "cuda" else ["bfloat16"]


def _lines(setting: Setting, dtype: str) -> Iterator[Line]:
    subject = setting.subject
    kinds = ["eager", "compiled"] if can_compile() else ["eager"]
    steps = {"reference": reference_step(subject, dtype)}
    for kind in kinds:
        for name, make in (("standard", standard_step), ("linear", linear_step)):
            steps[f"{name} {kind}"] = make(subject, dtype, kind == "compiled")
    times = alternate(steps, setting.clock.seconds, **setting.measuring, warm_up=2)
    for kind in kinds:
        ratio = Ratio.of(times[f"linear {kind}"], times[f"standard {kind}"])
        goal = STEP_GOAL if kind == "compiled" else None
        what = f"linear step, {kind}, {dtype}"
        yield Line(what, f"standard step, {kind}", ratio, "s", goal)
    ratio = Ratio.of(times[f"linear {kinds[-1]}"], times["reference"])
    goal = REFERENCE_GOAL if setting.device == "cuda" else None
    what = f"linear step, {kinds[-1]}, {dtype}"
    yield Line(what, "eager torch.func.jvp step", ratio, "s", goal)
    for kind in kinds:
        peaks = [
            peak_memory(steps[name], setting.device, steps[name].rest()) / 1e6
            for name in (f"linear {kind}", f"standard {kind}")
        ]
        goal = MEMORY_GOAL if kind == kinds[-1] else None
        what = f"peak memory of a linear step, {kind}, {dtype}"
        yield Line(what, f"standard step, {kind}", Ratio.of(peaks[:1], peaks[1:]), "MB", goal)


def can_compile() -> bool:
    """Whether there is what `torch.compile` needs: a C++ compiler and Python's headers."""
    has_headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    return has_headers and any(shutil.which(name) for name in ("c++", "g++", "clang++"))
