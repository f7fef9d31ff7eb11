"""The training step of the linear fine-tuning beside the standard one and the eager reference."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.baselines import EagerLinearizedModel
from bench.harness import Ratio, alternate, peak_memory
from bench.subjects import Setting, Subject
from bench.tables import Line, Table, lines_table
from tangent.features import attention_of_device
from tangent.linearize import forward_mode_attention, linearize

STEP_GOAL, MEMORY_GOAL, REFERENCE_GOAL = 1.7, 1.15, 1 / 3


class Step:
    """A step as `tangent.finetune` takes it, without reading images: forward, backward, AdamW.

    Args:
        model: images to features; trained in place.
        call: the same function, compiled or not.
        subject: whose head and images are used.
        dtype: of the matrix products: `bfloat16` (autocast) or `float32`.
        attention: context of the forward and backward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        call: Callable[[Tensor], Tensor],
        subject: Subject,
        dtype: str,
        attention: Callable[[], AbstractContextManager],
    ) -> None:
        self._call, self._dtype, self._attention = call, dtype, attention
        self._images = subject.batch(subject.setting.scaled(128, 128, 4))
        self._head = subject.head()
        self._labels = torch.arange(len(self._images), device=self._head.device) % len(self._head)
        self.model = model
        self._parameters = [value for value in model.parameters() if value.requires_grad]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=1e-5, weight_decay=0.1, fused=True)

    def __call__(self) -> None:
        """Take one step."""
        self._optimizer.zero_grad(set_to_none=True)
        is_autocast = self._dtype == "bfloat16"
        with self._attention():
            with torch.autocast(self._images.device.type, torch.bfloat16, enabled=is_autocast):
                features = self._call(self._images)
            logits = F.normalize(features.float(), dim=-1) @ self._head.T
            F.cross_entropy(logits, self._labels).backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0, foreach=True)
        self._optimizer.step()

    def rest(self) -> list[Tensor]:
        """All that is in memory between two steps; gradients are let go first."""
        self._optimizer.zero_grad(set_to_none=True)
        states = [value for state in self._optimizer.state.values() for value in state.values()]
        own = [*self.model.parameters(), *self.model.buffers(), *states]
        return [*own, self._images, self._head, self._labels]


def standard_step(subject: Subject, dtype: str, backend: str | None = None) -> Step:
    """The plain model's; eager, or compiled by a backend of `torch.compile`."""
    model = subject.encoder()
    call = torch.compile(model, backend=backend) if backend else model
    return Step(model, call, subject, dtype, lambda: attention_of_device(subject.setting.device))


def linear_step(subject: Subject, dtype: str, backend: str | None = None) -> Step:
    """Ours; eager, or compiled by a backend of `torch.compile`."""
    model = linearize(subject.encoder())
    call = torch.compile(model, backend=backend) if backend else model
    return Step(model, call, subject, dtype, forward_mode_attention)


def reference_step(subject: Subject, dtype: str) -> Step:
    """`torch.func.jvp` differentiated by autograd."""
    model = EagerLinearizedModel(subject.encoder())
    return Step(model, model, subject, dtype, forward_mode_attention)


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
        backend = compiler(setting) if kind == "compiled" else None
        steps[f"standard {kind}"] = standard_step(subject, dtype, backend)
        steps[f"linear {kind}"] = linear_step(subject, dtype, backend)
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


def compiler(setting: Setting) -> str:
    """Backend of `torch.compile`: one that builds nothing where only the path is tried."""
    return "aot_eager" if setting.quick else "inductor"
