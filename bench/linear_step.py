"""The training step of the linear fine-tuning beside the standard one and the eager reference."""

from itertools import product

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from bench.harness import Row, Setting, compared, table
from bench.subjects import Subject, subject_of
from tangent.arithmetic.forward_mode import forward_mode_attention
from tangent.arithmetic.linearized import linearize
from tangent.training.forward_backward import ForwardBackward

STEP_GOAL, MEMORY_GOAL = 1.7, 1.15


class EagerLinearizedModel(nn.Module):
    """f(x; θ0) + J(x)·(θ − θ0) of a model at θ0 by `torch.func.jvp`, differentiated as it stands.

    Reverse mode goes through value and tangent alike, so the graph of both is kept and walked.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.initial = model.requires_grad_(False)
        self.theta = nn.ParameterList(value.clone() for value in model.parameters())

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, height, width] to [batch, d]."""
        theta0 = dict(self.initial.named_parameters())
        pairs = zip(theta0.items(), self.theta, strict=True)
        direction = {name: value - initial for (name, initial), value in pairs}

        def f(weights: dict[str, Tensor]) -> Tensor:
            return functional_call(self.initial, weights, (images,))

        with forward_mode_attention():
            value, product = jvp(f, (theta0,), (direction,))
        return value + product


MODELS = {"standard": lambda f: f, "linear": linearize, "reference": EagerLinearizedModel}
"""Kind of step -> what it trains, made of the encoder."""


class Step:
    """A step as `tangent.training` takes it, without reading images: forward, backward, AdamW.

    Args:
        subject: whose encoder and head are used.
        kind: of `MODELS`.
        images: of a step.
        autocast: `bfloat16` or `none`.
        compiled: whether forward and backward pass are compiled, as the pipeline does it.
    """

    def __init__(
        self, subject: Subject, kind: str, images: int, autocast: str, compiled: bool
    ) -> None:
        self._images, head = subject.noise(images), subject.head()
        self._labels = torch.arange(images, device=head.device) % head.classes
        self.model = MODELS[kind](subject.encoder())
        self._forward_backward = ForwardBackward(self.model, head, autocast)
        self._parameters = [value for value in self.model.parameters() if value.requires_grad]
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


def run(setting: Setting) -> str:
    """Time and memory of the steps, in the types that are trained in."""
    autocasts = ["bfloat16", "none"] if setting.device == "cuda" else ["bfloat16"]
    subject, images = subject_of(setting), setting.scaled(128, 128, 4)
    rows = [row for autocast in autocasts for row in _rows(subject, images, autocast)]
    note = (
        f"{subject.folder.name}, batches of {images} random images; a step is "
        "forward, backward, clipping and AdamW. The arithmetic's floor of linear over standard is "
        "5/3. The reference differentiates `torch.func.jvp` as it stands. Memory is that of all "
        "tensors: weights, optimiser, activations."
    )
    return table("Linear fine-tuning step", rows, note)


def _rows(subject: Subject, images: int, autocast: str) -> list[Row]:
    setting, forms = subject.setting, ("eager", "compiled")
    dtype = "float32" if autocast == "none" else autocast
    steps = {
        (kind, form): Step(subject, kind, images, autocast, form == "compiled")
        for kind, form in [*product(("standard", "linear"), forms), ("reference", "eager")]
    }
    times = setting.in_turn(steps)
    peaks = {name: [setting.peak_memory(step, step.rest())] for name, step in steps.items()}
    rows = []
    for what, unit, samples, goal in (
        ("linear step", "s", times, STEP_GOAL),
        ("peak memory of a linear step", "MB", peaks, MEMORY_GOAL),
    ):
        for form in forms:
            label, baseline = f"{what}, {form}, {dtype}", f"standard step, {form}"
            pair = samples["linear", form], samples["standard", form]
            of_form = goal if form == "compiled" else None
            rows.append(compared(label, baseline, unit, *pair, of_form))
    pair = times["linear", "compiled"], times["reference", "eager"]
    what = f"linear step, compiled, {dtype}"
    return [*rows, compared(what, "eager torch.func.jvp step", "s", *pair)]
