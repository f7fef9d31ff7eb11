"""Task vectors τ = θ* − θ0 and their arithmetic (section 2 of the paper)."""

from __future__ import annotations

import contextlib
import copy
import math
import numbers
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from tangent.arithmetic.outputs import is_inexact
from tangent.arithmetic.weights import both_weights, check_tensors, movable, once
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_safetensors, write_safetensors


class TaskVector(Mapping[str, Tensor]):
    """A vector in the space of a model's weights: one float32 tensor per parameter, by name.

    A value, which shares no memory with what it was made of, and a vector space: `a + b`, `a - b`,
    `-a`, `2 * a`, `a / 2`; analogies are `c + (b - a)`. Factors are real numbers of any kind.
    Complex parameters have complex64 tensors, and norms and products of their real and imaginary
    parts.

    Attributes:
        left_out: names of floating-point buffers that `from_checkpoints` found changed, and that
            are no part of the vector.

    Args:
        tensors: a tensor of floating-point (or complex) numbers per parameter.

    Raises:
        UserError: there is no tensor, or one holds other numbers.
    """

    left_out: tuple[str, ...] = ()
    __array_ufunc__ = None  # so that numpy leaves `np.float64(2) * a` to us

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        if not check_tensors(tensors, "a task vector"):
            raise UserError("a task vector needs at least one tensor; this one has none.")
        for name, tensor in tensors.items():
            if not is_inexact(tensor):
                raise UserError(
                    f"{name} holds {tensor.dtype}: a task vector is made of floating-point "
                    "parameters; leave counters and other buffers out."
                )
        self._tensors = {
            name: tensor.detach().to(_kept_type(tensor), copy=True)
            for name, tensor in tensors.items()
        }

    @classmethod
    def from_checkpoints(
        cls,
        theta0: Mapping[str, Tensor] | nn.Module,
        theta_star: Mapping[str, Tensor] | nn.Module,
        buffers: Literal["leave_out", "include"] = "leave_out",
    ) -> TaskVector:
        """τ = θ* − θ0: subtracted in the wider type of the two, then rounded to float32.

        A weight that two layers share counts once: under its first name, where the tensors of a
        mapping (one of the two is enough) share their memory as those of a state dict do. Integer
        parameters must be equal.

        Args:
            theta0: the pre-trained weights: a module, or tensors by name.
            theta_star: the fine-tuned weights. Of modules the parameters count. Of two mappings all
                floating-point tensors, but for the running statistics of normalisations, which are
                known by their names; other buffers cannot be told from parameters there.
            buffers: `include` takes floating-point buffers in, so that `apply_to` moves them too;
                otherwise `left_out` names those that differ.

        Raises:
            UserError: names or shapes differ, a weight is not a finite number, integers differ, or
                the two are the same tensors in memory.
        """
        start, end, left_out = both_weights(theta0, theta_star, buffers == "include")
        check_same_names_and_shapes(start, end, "θ0", "θ*")
        if start and all(
            value.data_ptr() == end[name].data_ptr() != 0 for name, value in start.items()
        ):
            raise UserError(
                "θ0 and θ* are the same tensors in memory: a state dict follows its model. Keep "
                "copy.deepcopy(model.state_dict()) from before the training."
            )
        difference = {}
        for name, tensor in start.items():
            if not is_inexact(tensor) or not is_inexact(end[name]):
                wider = torch.promote_types(tensor.dtype, end[name].dtype)
                if not torch.equal(tensor.to(end[name].device, wider), end[name].to(wider)):
                    raise UserError(
                        f"{name} holds {tensor.dtype} and differs: a task vector cannot move it."
                    )
                continue
            wider = torch.promote_types(_wide_type(tensor), _wide_type(end[name]))
            moved = end[name].to(wider) - tensor.to(end[name].device, wider)
            difference[name] = moved.to(_kept_type(moved))
            if not torch.isfinite(difference[name]).all():
                raise UserError(
                    f"{name} is not finite in θ0 or θ*: the training diverged or the checkpoint "
                    "is damaged; fine-tune again with a lower learning rate."
                )
        made = cls._of(difference) if difference else cls({})
        made.left_out = left_out
        return made

    @classmethod
    def sum(cls, vectors: Iterable[Mapping[str, Tensor]]) -> TaskVector:
        """Σ_t τ_t, the vector of task addition.

        Raises:
            UserError: there are none, or names or shapes differ.
        """
        vectors = [vector if isinstance(vector, cls) else cls(vector) for vector in vectors]
        if not vectors:
            raise UserError("there is no task vector to sum: give at least one.")
        total = {name: tensor.clone() for name, tensor in vectors[0].items()}
        for vector in vectors[1:]:
            check_same_names_and_shapes(total, vector, "one task vector", "the other")
            for name in total:
                total[name] += vector[name]
        return cls._of(total)

    @classmethod
    def _of(cls, tensors: dict[str, Tensor]) -> TaskVector:
        """Of tensors that nobody else has: they need no copy."""
        made = cls.__new__(cls)
        made._tensors = tensors
        return made

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TaskVector:
        """Read a task vector from safetensors.

        Raises:
            UserError: the file is missing, damaged, or holds no floating-point tensors.
        """
        tensors, _ = read_safetensors(path)
        try:
            return cls(tensors)
        except UserError as error:
            raise UserError(f"{path} is not a task vector: {error}") from error

    def save(self, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
        """Write the vector as safetensors (atomically), with `metadata` such as the task's name."""
        write_safetensors(path, self._tensors, metadata)

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskVector):
            return NotImplemented
        return self.keys() == other.keys() and all(
            torch.equal(tensor, other[name]) for name, tensor in self._tensors.items()
        )

    __hash__ = None

    def __repr__(self) -> str:
        size = sum(tensor.numel() for tensor in self._tensors.values())
        return f"TaskVector({len(self)} tensors, {size:,} weights, norm {self.norm():.4g})"

    def __add__(self, other: TaskVector) -> TaskVector:
        return self._combine(other, 1.0)

    def __sub__(self, other: TaskVector) -> TaskVector:
        return self._combine(other, -1.0)

    def __radd__(self, other: object) -> TaskVector:
        if other == 0:  # where the built-in sum() starts
            return self
        return NotImplemented

    def __neg__(self) -> TaskVector:
        return self._each(torch.neg)

    def __mul__(self, factor: float) -> TaskVector:
        number = _real(factor)
        return NotImplemented if number is None else self._each(lambda tensor: number * tensor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> TaskVector:
        number = _real(divisor)
        if number == 0:
            raise UserError("a task vector cannot be divided by 0.")
        return NotImplemented if number is None else self._each(lambda tensor: tensor / number)

    def dot(self, other: TaskVector) -> float:
        """Inner product over all weights, accumulated in float64.

        Raises:
            UserError: names or shapes differ.
        """
        self._check(other)
        pairs = ((tensor, other[name]) for name, tensor in self._tensors.items())
        return math.fsum(torch.dot(*map(_flat, pair)).item() for pair in pairs)

    def norm(self) -> float:
        """Euclidean norm over all weights."""
        return math.sqrt(self.dot(self))

    def cosine(self, other: TaskVector) -> float:
        """Cosine of the angle between two task vectors, in [−1, 1]; 0 if one of them is zero.

        Raises:
            UserError: names or shapes differ.
        """
        dot, norms = self.dot(other), self.norm() * other.norm()
        return max(-1.0, min(1.0, dot / norms)) if norms > 0 else 0.0

    def to(self, device: torch.device | str) -> TaskVector:
        """The same vector on another device."""
        return self._each(lambda tensor: tensor.to(device))

    def apply_to(self, model: nn.Module, alpha: float = 1.0) -> nn.Module:
        """A copy of `model` (f at θ) with the weights θ + α τ; `model` is left as it is.

        Floating-point buffers that τ has (`from_checkpoints`) are moved too.

        Raises:
            UserError: τ does not have the model's parameters.
        """
        edited = copy.deepcopy(model)
        self.add_to_(edited, alpha)
        return edited

    @torch.no_grad()
    def add_to_(self, model: nn.Module, alpha: float = 1.0) -> None:
        """Add α τ to the weights of `model` in place, without a copy of them.

        Editing back and forth accumulates rounding errors: evaluators that try many α write
        θ0 + Σ α τ with `edit_` instead.

        Raises:
            UserError: τ does not have the model's parameters; the model is left as it was.
        """
        factor = _real(alpha)
        if factor is None:
            raise UserError(f"alpha must be a real number, not {alpha!r}.")
        moved, tau = movable(model, self), once(model, self)
        check_same_names_and_shapes(moved, tau, "the model", "the task vector")
        for name, tensor in moved.items():
            tensor.add_(tau[name].to(tensor.device), alpha=factor)

    def _combine(self, other: TaskVector, factor: float) -> TaskVector:
        if not isinstance(other, TaskVector):
            return NotImplemented
        self._check(other)
        return TaskVector._of(
            {name: tensor + factor * other[name] for name, tensor in self._tensors.items()}
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> TaskVector:
        return TaskVector._of({name: change(tensor) for name, tensor in self._tensors.items()})

    def _check(self, other: Mapping[str, Tensor]) -> None:
        check_same_names_and_shapes(self, other, "one task vector", "the other")


@torch.no_grad()
def edit_(
    model: nn.Module,
    theta0: Mapping[str, Tensor],
    edits: Iterable[tuple[float, Mapping[str, Tensor]]],
) -> None:
    """Write θ0 + Σ_t α_t τ_t into the parameters of `model`, in place and from θ0 every time.

    So the weights for one set of coefficients have the same bits whatever was edited before.

    Args:
        model: its parameters are overwritten; its buffers stay.
        theta0: the weights to start from, by the parameters' names.
        edits: pairs (α_t, τ_t); none restores θ0.

    Raises:
        UserError: θ0 or a task vector does not have the model's parameters; nothing is changed.
    """
    parameters = movable(model, theta0)
    edits = [(alpha, once(model, tau)) for alpha, tau in edits]
    inexact = {name: value for name, value in theta0.items() if is_inexact(value)}
    check_same_names_and_shapes(parameters, inexact, "the model", "θ0")
    for _, tau in edits:
        check_same_names_and_shapes(parameters, tau, "the model", "the task vector")
    for name, parameter in parameters.items():
        parameter.copy_(theta0[name])
        for alpha, tau in edits:
            parameter.add_(tau[name].to(parameter.device), alpha=alpha)


def _kept_type(tensor: Tensor) -> torch.dtype:
    return torch.complex64 if tensor.is_complex() else torch.float32


def _wide_type(tensor: Tensor) -> torch.dtype:
    kept = _kept_type(tensor)  # types of 8 bits are promoted to none
    return kept if tensor.dtype.itemsize == 1 else torch.promote_types(kept, tensor.dtype)


def _flat(tensor: Tensor) -> Tensor:
    """All real numbers of a tensor, in float64."""
    wide = tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)
    return (torch.view_as_real(wide) if tensor.is_complex() else wide).flatten()


def _real(factor: object) -> float | None:
    """A real number as Python has it: of numpy, or a tensor or array without dimensions, too.

    Raises:
        UserError: it is not finite.
    """
    if isinstance(factor, Tensor | np.ndarray) and factor.ndim == 0:
        factor = factor.item()
    if not isinstance(factor, numbers.Real):
        return None
    with contextlib.suppress(OverflowError):  # of a whole number
        if math.isfinite(number := float(factor)):
            return number
    raise UserError(f"a factor of a task vector must be finite, not {str(factor)[:20]}.")


def check_same_names_and_shapes(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], first_name: str, second_name: str
) -> None:
    """Compare two sets of weights.

    Raises:
        UserError: names or shapes differ; the message tells the first that does, and calls the two
            by `first_name` and `second_name`.
    """
    for name in [*first, *second]:
        if name not in first or name not in second:
            has, lacks = (first_name, second_name) if name in first else (second_name, first_name)
            problem = f"{has} has {name}, {lacks} does not"
        elif first[name].shape != second[name].shape:
            problem = (
                f"{name} has shape {tuple(first[name].shape)} in {first_name} and "
                f"{tuple(second[name].shape)} in {second_name}"
            )
        else:
            continue
        raise UserError(f"{problem}: both must belong to the same model.")
