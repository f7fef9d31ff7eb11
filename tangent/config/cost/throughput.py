"""Seconds per image: measured where somebody measured, otherwise from a GPU's peak arithmetic.

Passes are counted in forward passes: a backward pass is 2, a tangent 2. Trainings count as eager
(`tangent.arithmetic.linearized` says what a compiled linear step shares).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tangent.config.cost.downloads import facts
from tangent.config.cost.model_sizes import Architecture
from tangent.config.load import validated
from tangent.jobs.errors import UserError
from tangent.jobs.keys import Section

Pass = Literal["forward", "text", "tangent", "gradient", "standard step", "linear step"]

COST: dict[Pass, int] = {
    "forward": 1,
    "text": 1,
    "tangent": 3,
    "gradient": 3,
    "standard step": 3,
    "linear step": 6,
}
"""Forward passes that one image (of `text`: one prompt) costs; a compiled linear step costs 5."""

TANGENT = 2
"""Forward passes that a tangent adds to the one that it shares with others."""

RECOMPUTATION = 0.6
"""Forward passes that activation checkpointing adds to a step: each block again up to its last
product."""

Basis = Literal["measured", "scaled", "assumed"]

CPU = "CPU"


class Work(NamedTuple):
    """Passes of one kind.

    Attributes:
        kind: `forward` gives features, `tangent` J(x)·τ of one τ, `gradient` one logit's gradient
            of every image by itself, the steps are those of the two trainings. Products with
            several τ, eigenfunctions of several logits together, and those from products with the
            kernel count as so many `tangent`s and `gradient`s as have the same arithmetic.
        images: how many images go through it, repetitions counted; prompts for `text`.
    """

    kind: Pass
    images: float


class GpuFigures(Section):
    """An entry of gpus.yaml."""

    bfloat16: float
    """Peak arithmetic in TFLOP/s."""
    float32: float
    """Likewise."""
    memory: float
    """In GB."""
    source: str
    """Where the figures come from."""


class MeasuredThroughput(Section):
    """An entry of measured.yaml."""

    model: str
    parameters: int
    """Weights of its image encoder: what tells equal names apart."""
    flops: int
    """Operations of one image's forward pass."""
    device: str
    """`CPU`, or a GPU of gpus.yaml."""
    dtype: Literal["float32", "bfloat16"]
    """Type of the matrix products."""
    what: Pass
    images_per_second: float
    how: str
    """By what, when, on which machine."""


class Time(NamedTuple):
    """Seconds, and what they rest on."""

    seconds: float
    basis: Basis


def known_gpus() -> dict[str, GpuFigures]:
    """The GPUs of gpus.yaml by name."""
    return {name: GpuFigures(**entry) for name, entry in facts("gpus.yaml").items()}


def measurements() -> list[MeasuredThroughput]:
    """The entries of measured.yaml.

    Raises:
        UserError: an entry lacks a key or has an unknown one.
    """
    file = "tangent/config/cost/measured.yaml"
    return [validated(MeasuredThroughput, entry, file) for entry in facts("measured.yaml")]


class Machine:
    """Tells how long work takes on one device.

    Args:
        device: `CPU`, or a GPU of gpus.yaml.
        utilization: assumed share of a GPU's peak, where nothing was measured.
        measured: what was measured, on any device; measured.yaml if None.

    Attributes:
        kind: `cpu` or `cuda`.
        gpu: its figures; None for a CPU.
        gpu_memory: its bytes; 0 for a CPU.

    Raises:
        UserError: the GPU is unknown.
    """

    def __init__(
        self, device: str, utilization: float, measured: Sequence[MeasuredThroughput] | None = None
    ) -> None:
        gpus = known_gpus()
        if device not in (CPU, *gpus):
            raise UserError(
                f"estimate.gpu: there are no figures for {device!r}; known: {', '.join(gpus)}. "
                "Another GPU needs a line in tangent/config/cost/gpus.yaml."
            )
        self.gpu = gpus.get(device)
        self.gpu_memory = self.gpu.memory * 1e9 if self.gpu else 0.0
        self.kind = "cpu" if device == CPU else "cuda"
        self.device, self.utilization = device, utilization
        everything = measurements() if measured is None else measured
        self._measured = [entry for entry in everything if entry.device == device]

    def time(self, model: Architecture, work: Work, dtype: str) -> Time:
        """Time of some work in matrix products of a type.

        A CPU's figure may be scaled from another model's by the arithmetic, which is rough.
        """
        wanted = model.encoder_parameters, work.kind, dtype
        for entry in reversed(self._measured):  # of several the last counts
            if (entry.parameters, entry.what, entry.dtype) == wanted:
                return Time(work.images / entry.images_per_second, "measured")
        flops = COST[work.kind] * (model.text_flops if work.kind == "text" else model.image_flops)
        if self.gpu is not None:
            peak = getattr(self.gpu, dtype) * 1e12
            return Time(work.images * flops / (peak * self.utilization), "assumed")
        return Time(work.images * flops / self._arithmetic(work.kind, dtype), "scaled")

    def _arithmetic(self, kind: Pass, dtype: str) -> float:
        """Operations per second that the largest measured model reached."""
        like = "forward" if kind == "text" else kind
        entries = [entry for entry in self._measured if (entry.what, entry.dtype) == (like, dtype)]
        largest = max(entries, key=lambda entry: entry.flops)
        return largest.images_per_second * COST[like] * largest.flops
