"""Seconds per image: measured where somebody measured, otherwise from a GPU's peak arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from tangent.config.cost.model_sizes import Architecture
from tangent.config.cost.passes import COST, Pass, Work
from tangent.jobs.errors import UserError

Basis = Literal["measured", "scaled", "assumed"]

CPU = "CPU"
_FOLDER = Path(__file__).parent


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
    """An entry of measured.yaml, as `python -m scripts.measure_throughput` prints it.

    Attributes:
        model: name of the model.
        parameters: weights of its image encoder: what tells equal names apart.
        flops: operations of one image's forward pass.
        device: `CPU`, or a GPU of gpus.yaml.
        dtype: type of the matrix products.
        what: kind of the pass.
        batch_size: images per pass.
        images_per_second: throughput.
        memory: peak memory of the process (CPU) or of the GPU, in GB.
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
    memory: float
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
    return [_measurement(entry) for entry in _read("measured.yaml")]


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
        entry = self.find(model, work.kind, dtype)
        if entry is not None:
            return Time(work.images / entry.images_per_second, "measured")
        flops = COST[work.kind] * (model.text_flops if work.kind == "text" else model.image_flops)
        if self.gpu is not None:
            peak = getattr(self.gpu, dtype) * 1e12
            return Time(work.images * flops / (peak * self.utilization), "assumed")
        return Time(work.images * flops / self._arithmetic(work.kind, dtype), "scaled")

    def find(self, model: Architecture, kind: Pass, dtype: str) -> Measurement | None:
        """What was measured for a model on this device, last if more than once."""
        for entry in reversed(self._measured):
            if (entry.parameters, entry.what, entry.dtype) == (
                model.encoder_parameters,
                kind,
                dtype,
            ):
                return entry
        return None

    def _arithmetic(self, kind: Pass, dtype: str) -> float:
        """Operations per second that the largest measured model reached."""
        like = "forward" if kind == "text" else kind
        entries = [entry for entry in self._measured if (entry.what, entry.dtype) == (like, dtype)]
        largest = max(entries, key=lambda entry: entry.flops)
        return largest.images_per_second * COST[like] * largest.flops


@cache
def _read(name: str) -> Any:
    return yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))


def _measurement(entry: dict[str, Any]) -> Measurement:
    names = {field.name for field in fields(Measurement)}
    wrong = sorted(names ^ set(entry))
    if wrong:
        raise UserError(
            f"tangent/config/cost/measured.yaml: an entry has or lacks {', '.join(wrong)}; each must "
            "be as `python -m scripts.measure_throughput` prints it."
        )
    return Measurement(**entry)
