"""Seconds per image: measured where somebody measured, otherwise from a GPU's peak arithmetic.

Passes are counted in forward passes: a backward pass is 2, a tangent 2. Trainings count as eager
(`tangent.arithmetic.linearized` says what a compiled linear step shares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from tangent.config.cost.model_sizes import Architecture
from tangent.jobs.errors import UserError

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
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Work:
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


@dataclass(frozen=True)
class Gpu:
    """A GPU of gpus.yaml.

    Attributes:
        name: as in the configuration's key `estimate.gpu`.
        bfloat16, float32: peak arithmetic in TFLOP/s.
        memory: in GB.
        source: where the figures come from.
    """

    name: str
    bfloat16: float
    float32: float
    memory: float
    source: str


@dataclass(frozen=True)
class Measurement:
    """An entry of measured.yaml, as `python -m bench.throughput` prints it.

    Attributes:
        model: name of the model.
        parameters: weights of its image encoder: what tells equal names apart.
        flops: operations of one image's forward pass.
        device: `CPU`, or a GPU of gpus.yaml.
        dtype: type of the matrix products.
        what: kind of the pass.
        batch_size: images per pass.
        images_per_second: throughput.
        date, commit, how: when, with which version, and by what on which machine.
    """

    model: str
    parameters: int
    flops: int
    device: str
    dtype: str
    what: Pass
    batch_size: int
    images_per_second: float
    date: str
    commit: str
    how: str


@dataclass(frozen=True)
class Time:
    """Seconds, and what they rest on."""

    seconds: float
    basis: Basis


def known_gpus() -> dict[str, Gpu]:
    """The GPUs of gpus.yaml by name."""
    return {name: Gpu(name, **entry) for name, entry in _read("gpus.yaml").items()}


def find_gpu(name: str) -> Gpu:
    """A GPU by name.

    Raises:
        UserError: there is none of that name; the message lists them all.
    """
    gpus = known_gpus()
    if name not in gpus:
        raise UserError(
            f"estimate.gpu: there are no figures for {name!r}; known: {', '.join(gpus)}. Another "
            "GPU needs a line in tangent/config/cost/gpus.yaml."
        )
    return gpus[name]


def measurements() -> list[Measurement]:
    """The entries of measured.yaml.

    Raises:
        UserError: an entry lacks a key or has an unknown one.
    """
    names, entries = {field.name for field in fields(Measurement)}, _read("measured.yaml")
    for entry in entries:
        if wrong := sorted(names ^ set(entry)):
            raise UserError(
                f"tangent/config/cost/measured.yaml: an entry has or lacks {', '.join(wrong)}; "
                "each must be as `python -m bench.throughput` prints it."
            )
    return [Measurement(**entry) for entry in entries]


class Machine:
    """Tells how long work takes on one device.

    Args:
        device: `CPU`, or a GPU of gpus.yaml.
        utilization: assumed share of a GPU's peak, where nothing was measured.
        measured: what was measured, on any device; measured.yaml if None.

    Attributes:
        kind: `cpu` or `cuda`.
        gpu: its figures; None for a CPU.

    Raises:
        UserError: the GPU is unknown.
    """

    def __init__(
        self, device: str, utilization: float, measured: Sequence[Measurement] | None = None
    ) -> None:
        self.gpu = None if device == CPU else find_gpu(device)
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


@cache
def _read(name: str) -> Any:
    return yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
