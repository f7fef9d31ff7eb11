"""Sets of weights that people give: modules and state dicts, and which of their tensors count."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from tangent.arithmetic.outputs import is_inexact
from tangent.jobs.errors import UserError

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers that torch's normalisations keep under these names."""


def check_tensors(weights: Mapping[str, Tensor], of: str) -> Mapping[str, Tensor]:
    """Return `weights`, which messages call `of`, if they are tensors of plain numbers by name.

    Raises:
        UserError: they are no mapping, or one is no tensor, sparse, or without values.
    """
    if not isinstance(weights, Mapping):
        raise UserError(
            f"{of} must be a module or its state dict (torch.load reads one), not a "
            f"{type(weights).__name__}."
        )
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            problem, remedy = f"of type {type(value).__name__}", "give the state dict within, or"
        elif value.layout is not torch.strided or value.is_meta:
            problem, remedy = f"{value.layout} on {value.device}", "give ordinary tensors, or"
        else:
            continue
        raise UserError(f"{of}: {name} is {problem}, no tensor of numbers: {remedy} leave it out.")
    return weights


def both_weights(
    theta0: Mapping[str, Tensor] | nn.Module,
    theta_star: Mapping[str, Tensor] | nn.Module,
    with_buffers: bool,
) -> tuple[dict[str, Tensor], dict[str, Tensor], tuple[str, ...]]:
    """The tensors to subtract, and the names of floating-point buffers that differ and stay out."""
    modules = [source for source in (theta0, theta_star) if isinstance(source, nn.Module)]
    start, end = (
        {**dict(source.named_parameters()), **dict(source.named_buffers())}
        if isinstance(source, nn.Module)
        else dict(check_tensors(source, of))
        for source, of in ((theta0, "θ0"), (theta_star, "θ*"))
    )
    if modules:
        buffers = dict(modules[0].named_buffers()).keys()
        every = dict(modules[0].named_parameters(remove_duplicate=False)).keys()
        repeated = every - dict(modules[0].named_parameters()).keys()
    else:
        buffers = {name for name in start if name.split(".")[-1] in _STATISTICS}
        # Of one whose tensors were copied each for itself, the other tells.
        repeated = _repeated(start, end) | _repeated(end, start)
    counters = {name for name in buffers if name in start and not is_inexact(start[name])}
    differ = [
        name
        for name in start
        if name in buffers - counters and name in end and not torch.equal(start[name], end[name])
    ]
    dropped = repeated | (counters if with_buffers else buffers)
    start, end = (
        {name: value.detach() for name, value in source.items() if name not in dropped}
        for source in (start, end)
    )
    return start, end, () if with_buffers else tuple(differ)


def _repeated(tensors: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> set[str]:
    """Names of tensors that are in memory what one before them is, and whose others are equal."""
    seen: dict[tuple, str] = {}
    firsts = {
        name: seen.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), name)
        for name, tensor in tensors.items()
        if tensor.numel() > 0
    }
    return {name for name, first in firsts.items() if name != first and _same(others, name, first)}


def _same(tensors: Mapping[str, Tensor], name: str, first: str) -> bool:
    """Whether a further name's tensor holds what the first one's does, or is left out."""
    if name not in tensors or first not in tensors:
        return first in tensors
    return torch.equal(tensors[name], tensors[first])


def movable(model: nn.Module, names: Iterable[str]) -> dict[str, Tensor]:
    """What task vectors may move: inexact parameters, and inexact buffers among `names`."""
    parameters = {name: value for name, value in model.named_parameters() if is_inexact(value)}
    wanted = set(names)
    buffers = {name: value for name, value in model.named_buffers() if name in wanted}
    return parameters | {name: value for name, value in buffers.items() if is_inexact(value)}


def once(model: nn.Module, tau: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`tau` without further names of the model's shared weights, where they hold the same."""
    names: dict[int, str] = {}
    firsts = {
        name: names.setdefault(id(value), name)
        for name, value in model.named_parameters(remove_duplicate=False)
    }
    return {
        name: value
        for name, value in tau.items()
        if (first := firsts.get(name, name)) == name or not _same(tau, name, first)
    }
