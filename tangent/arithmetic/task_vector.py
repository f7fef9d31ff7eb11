"""Task vectors τ = θ* − θ0 and their arithmetic (section 2 of the paper)."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_safetensors, write_safetensors


class TaskVector(Mapping[str, Tensor]):
    """A vector in the space of a model's weights: one float32 tensor per parameter, by name.

    A mapping that does not change, and a vector space: `a + b`, `a - b`, `-a`, `2 * a`, `a / 2`;
    analogies are `c + (b - a)`. Only `.to(device)` and arithmetic make new ones.

    Args:
        tensors: a tensor of floating-point numbers per parameter.

    Raises:
        UserError: there is no tensor, or one is not floating-point.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        if not tensors:
            raise UserError("a task vector needs at least one tensor; this one has none.")
        for name, tensor in tensors.items():
            if not tensor.is_floating_point():
                raise UserError(
                    f"{name} holds {tensor.dtype}: a task vector is made of floating-point "
                    "parameters; leave counters and other buffers out."
                )
        self._tensors = {
            name: tensor.detach().to(torch.float32) for name, tensor in tensors.items()
        }

    @classmethod
    def from_checkpoints(
        cls,
        theta0: Mapping[str, Tensor] | nn.Module,
        theta_star: Mapping[str, Tensor] | nn.Module,
    ) -> TaskVector:
        """τ = θ* − θ0, in float32.

        Args:
            theta0: the pre-trained weights: a module, or tensors by name.
            theta_star: the fine-tuned weights. Of modules the parameters count; of mappings every
                floating-point tensor (integer buffers, such as counters, are left out).

        Raises:
            UserError: names or shapes differ, or a weight is not a finite number.
        """
        start, end = _weights(theta0), _weights(theta_star)
        check_same_names_and_shapes(start, end, "θ0", "θ*")
        difference = {name: end[name].float() - start[name].float() for name in start}
        for name, tensor in difference.items():
            if not torch.isfinite(tensor).all():
                raise UserError(
                    f"{name} is not finite in θ0 or θ*: the training diverged or the checkpoint "
                    "is damaged; fine-tune again with a lower learning rate."
                )
        return cls(difference)

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
        return cls(total)

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
        return TaskVector({name: -tensor for name, tensor in self._tensors.items()})

    def __mul__(self, factor: float) -> TaskVector:
        if not isinstance(factor, (int, float)):
            return NotImplemented
        return TaskVector({name: factor * tensor for name, tensor in self._tensors.items()})

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> TaskVector:
        if not isinstance(divisor, (int, float)):
            return NotImplemented
        return TaskVector({name: tensor / divisor for name, tensor in self._tensors.items()})

    def dot(self, other: TaskVector) -> float:
        """Inner product over all weights, accumulated in float64.

        Raises:
            UserError: names or shapes differ.
        """
        self._check(other)
        products = (
            torch.dot(tensor.flatten().double(), other[name].flatten().double())
            for name, tensor in self._tensors.items()
        )
        return math.fsum(product.item() for product in products)

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
        return TaskVector({name: tensor.to(device) for name, tensor in self._tensors.items()})

    def apply_to(self, model: nn.Module, alpha: float = 1.0) -> nn.Module:
        """A copy of `model` (f at θ) with the weights θ + α τ; `model` is left as it is.

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
        parameters = dict(model.named_parameters())
        check_same_names_and_shapes(parameters, self, "the model", "the task vector")
        for name, parameter in parameters.items():
            parameter.add_(self._tensors[name].to(parameter.device), alpha=alpha)

    def _combine(self, other: TaskVector, factor: float) -> TaskVector:
        if not isinstance(other, TaskVector):
            return NotImplemented
        self._check(other)
        return TaskVector(
            {name: tensor + factor * other[name] for name, tensor in self._tensors.items()}
        )

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
    parameters = dict(model.named_parameters())
    edits = list(edits)
    check_same_names_and_shapes(parameters, theta0, "the model", "θ0")
    for _, tau in edits:
        check_same_names_and_shapes(parameters, tau, "the model", "the task vector")
    for name, parameter in parameters.items():
        parameter.copy_(theta0[name])
        for alpha, tau in edits:
            parameter.add_(tau[name].to(parameter.device), alpha=alpha)


def _weights(source: Mapping[str, Tensor] | nn.Module) -> dict[str, Tensor]:
    named = source.named_parameters() if isinstance(source, nn.Module) else source.items()
    return {name: value.detach() for name, value in named if value.is_floating_point()}


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
