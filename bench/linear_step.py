"""The training step of the linear fine-tuning beside the standard one and the eager reference."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.baselines import EagerLinearizedModel
from bench.harness import Row, Setting, compared, table
from bench.subjects import Subject, subject_of
from tangent.arithmetic.linearized import linearize
from tangent.training.forward_backward import ForwardBackward

STEP_GOAL, MEMORY_GOAL, REFERENCE_GOAL = 1.7, 1.15, 1 / 3


class Step:
    """A step as `tangent.training` takes it, without reading images: forward, backward, AdamW.

    Args:
        model: images to features; trained in place.
        subject: whose head and images are used.
        dtype: of the matrix products: `bfloat16` (autocast) or `float32`.
        compiled: whether forward and backward pass are compiled, as the pipeline does it.
    """

    def __init__(self, model: nn.Module, subject: Subject, dtype: str, compiled: bool) -> None:
        self._images = subject.batch(subject.setting.images_per_step)
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


MODELS = {"standard": lambda f: f, "linear": linearize, "reference": EagerLinearizedModel}
"""Kind of step -> what it trains, made of the encoder: plain, ours, `torch.func.jvp` as it is."""


def step_of(subject: Subject, kind: str, dtype: str, compiled: bool = False) -> Step:
    """A step of a kind of `MODELS`."""
    return Step(MODELS[kind](subject.encoder()), subject, dtype, compiled)


def run(setting: Setting) -> str:
    """Time and memory of the steps, in the types that are trained in."""
    dtypes = ["bfloat16", "float32"] if setting.device == "cuda" else ["bfloat16"]
    subject = subject_of(setting)
    rows = [row for dtype in dtypes for row in _rows(subject, dtype)]
    note = (
        f"{subject.folder.name}, batches of {setting.images_per_step} random images; a step is "
        "forward, backward, clipping and AdamW. The arithmetic's floor of linear over standard is "
        "5/3. The reference differentiates `torch.func.jvp` as it stands. Memory is that of all "
        "tensors: weights, optimiser, activations."
    )
    return table("Linear fine-tuning step", rows, note)


def _rows(subject: Subject, dtype: str) -> list[Row]:
    setting, forms = subject.setting, ["eager", "compiled"] if can_compile() else ["eager"]
    last = forms[-1]
    steps = {"reference": step_of(subject, "reference", dtype)}
    for form in forms:
        for kind in ("standard", "linear"):
            steps[kind, form] = step_of(subject, kind, dtype, form == "compiled")
    times = setting.alternate(steps, warm_up=2)
    peaks = {name: [setting.peak_memory(step, step.rest())] for name, step in steps.items()}

    def beside_standard(what: str, unit: str, samples: dict, goal: float, goal_of: str) -> None:
        for form in forms:
            pair = samples["linear", form], samples["standard", form]
            baseline, goals = f"standard step, {form}", goal if form == goal_of else None
            rows.append(compared(f"{what}, {form}, {dtype}", baseline, unit, *pair, goals))

    rows: list[Row] = []
    beside_standard("linear step", "s", times, STEP_GOAL, "compiled")
    goal = REFERENCE_GOAL if setting.device == "cuda" else None
    pair = times["linear", last], times["reference"]
    baseline = "eager torch.func.jvp step"
    rows.append(compared(f"linear step, {last}, {dtype}", baseline, "s", *pair, goal))
    beside_standard("peak memory of a linear step", "MB", peaks, MEMORY_GOAL, last)
    return rows


def can_compile() -> bool:
    """Whether there is what `torch.compile` needs: a C++ compiler and Python's headers."""
    has_headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    return has_headers and any(shutil.which(name) for name in ("c++", "g++", "clang++"))
