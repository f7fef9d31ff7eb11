"""Limits of linearization: modules that are refused by name, with what to do instead."""

import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tangent.jobs.errors import UserError, first_line

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)

_CHANCES = ("dropout", "drop_prob", "prob")
"""Numbers by which attention, recurrent layers, DropPath and PatchDropout drop something."""

# How torch says that something looks into a tensor that carries a derivative, that it cannot
# differentiate an operation in forward mode (it names native ones), and that a module writes to a
# tensor that is no parameter.
_OPAQUE = re.compile(r"functorch|have storage|NestedTensor|does not have a grad_fn")
_NO_FORWARD_MODE = re.compile(r"forward AD with (\S+) that does not support|autograd\.Function")
_WRITES = re.compile(r"in-place operation \((?:aten::)?(\w+)[^)]*\) that would mutate a captured")


def check_modules(model: nn.Module) -> None:
    """Refuse a model that cannot be copied, or seen through.

    Raises:
        UserError: it is no module, compiled by TorchScript, wrapped for several GPUs, or holds a
            tensor that is computed from parameters (the old `weight_norm` and `spectral_norm`).
    """
    if not isinstance(model, nn.Module):
        raise UserError(f"a torch.nn.Module can be linearized, not a {type(model).__name__}.")
    _check_parameters(model)
    for name, module in model.named_modules():
        what = _named(name, module)
        if isinstance(module, torch.jit.ScriptModule):
            raise UserError(
                f"{what} is TorchScript, which has no forward-mode derivative: give the Python "
                "module that it was made of."
            )
        if isinstance(module, _WRAPPERS):
            raise UserError(f"{what} wraps a model for several GPUs: give its attribute `module`.")
        for key, value in vars(module).items():
            if isinstance(value, Tensor) and value.grad_fn is not None:
                raise UserError(
                    f"{what} keeps {key!r}, a tensor computed from its parameters, as the old "
                    "torch.nn.utils.weight_norm and spectral_norm do: use those of "
                    "torch.nn.utils.parametrizations."
                )


def _check_parameters(model: nn.Module) -> None:
    """Refuse parameters that other weights cannot stand in for.

    Raises:
        UserError: one has no values yet (a lazy module, the device `meta`), or a module keeps one
            in an attribute that torch does not know, where it would stay what it is.
    """
    own = {id(value) for value in model.parameters()}
    for name, module in model.named_modules():
        for key, value in module.named_parameters(recurse=False):
            if value.is_meta or nn.parameter.is_lazy(value):
                raise UserError(
                    f"{_named(name, module)} has no values in {key} yet: load its weights, or call "
                    "the model once where they follow from its inputs."
                )
        for key, value in vars(module).items():
            if key == "_parameters" or isinstance(module, nn.RNNBase):  # it keeps its list right
                continue
            held = value.values() if isinstance(value, dict) else value
            held = held if isinstance(value, dict | list | tuple) else (value,)
            if any(id(one) in own for one in held):
                raise UserError(
                    f"{_named(name, module)} keeps parameters in {key!r} too, where their "
                    "derivative would be lost: use them by their own names, or keep them in an "
                    "nn.ParameterList or nn.ParameterDict alone."
                )


def check_evaluation_mode(model: nn.Module) -> None:
    """Refuse a model whose outputs depend on chance or on the other examples of a batch.

    Raises:
        UserError: a normalisation by batch statistics or a dropout is in training mode, or as for
            `_check_parameters`.
    """
    _check_parameters(model)
    for name, module in model.named_modules():
        drops = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        drops |= isinstance(module, nn.RReLU)
        chances = [getattr(module, key, 0) for key in _CHANCES]
        drops |= any(isinstance(chance, int | float) and chance > 0 for chance in chances)
        averages = isinstance(module, _NORMS) and module.track_running_stats
        if module.training and (drops or averages):
            raise UserError(
                f"{_named(name, module)} is in training mode, so f is another function at every "
                "call: call model.eval() first."
            )


@contextmanager
def copies_of(
    weights: Mapping[str, Tensor], by_version: bool = True
) -> Iterator[dict[str, Tensor]]:
    """Copies of weights for one forward pass, so that one that writes to them changes no θ0.

    By version, those that torch saw no write to are not compared, which would wait for a GPU; it
    sees those through `.data` only under a transformation.

    Raises:
        UserError: on leaving, the pass has changed the values of a weight: its derivative there is
            not that of f.
    """
    copies = {name: value.clone() for name, value in weights.items()}
    yield copies
    for name, value in copies.items():
        unwritten = by_version and (value.is_inference() or value._version == 0)
        if not unwritten and not torch.equal(value, weights[name]):
            raise UserError(
                f"the forward pass changes the parameter {name} in place (a clamp, or an "
                "embedding's max_norm), so f has no derivative in it: change it before, and take "
                "that out of the forward pass."
            )


def explained(error: RuntimeError, model: nn.Module | None) -> UserError | None:
    """What torch's error in forward-mode differentiation means; None if it is about another thing.

    Args:
        error: as it was caught.
        model: whose module at fault is named, if it is known.
    """
    text = str(error)
    if unsupported := _NO_FORWARD_MODE.search(text):
        operation = unsupported[1] or "an autograd.Function without a `jvp` method"
        return UserError(
            f"{_at_fault(error, model)} uses {operation}, which has no forward-mode derivative in "
            f"torch {torch.__version__}, so it cannot be linearized: replace it by operations that "
            "have one (a fused kernel usually has a plain equivalent)."
        )
    if written := _WRITES.search(text):
        return UserError(
            f"{_at_fault(error, model)} writes to a tensor of its own or to its input in the "
            f"forward pass ({written[1]}), such as a running average in a buffer, so it cannot be "
            "linearized: leave that out where the module is in evaluation mode."
        )
    if _OPAQUE.search(text):
        return UserError(
            f"{_at_fault(error, model)} does what no forward-mode derivative passes through (it "
            "assigns to `.data`, leaves torch for numpy, or takes gradients itself), so it cannot "
            f"be linearized: write it with torch's operations alone (torch: {first_line(error)})."
        )
    return None


def _at_fault(error: RuntimeError, model: nn.Module | None) -> str:
    """The innermost module whose code ran when the error was raised."""
    names = {module: name for name, module in model.named_modules()} if model else {}
    found = "the model"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_locals.get("self")
        if isinstance(module, nn.Module) and module in names:
            found = _named(names[module], module)
    return found


def _named(name: str, module: nn.Module) -> str:
    kind = type(module).__name__
    return f"the module {name} ({kind})" if name else f"the model ({kind})"
