"""Outputs of a model in whatever structure they come: tensors with a derivative, and the rest."""

import copy
import dataclasses
import operator
from collections.abc import (
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
    Set,
)
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from tangent.jobs.errors import UserError

Rebuild = Callable[[Sequence[Tensor]], Any]


def split(outputs: Any) -> tuple[list[Tensor], Rebuild]:
    """Floating-point (and complex) tensors in what a model returned, and how others replace them.

    They are looked for in tuples, lists, dictionaries, kinds of these, dataclasses, and what is
    registered with torch's pytrees, as `ModelOutput` of transformers is. Everything else is passed
    on as it is: None, numbers, texts, caches, integer and boolean tensors.

    Returns:
        The tensors in order; and a function that gives the same outputs with other tensors, one for
        each, in their places.

    Raises:
        UserError: an object of another kind (a set, a generator, a distribution) holds some.
    """
    leaves, structure = tree_flatten(outputs)
    tensors: list[Tensor] = []
    parts = [_part(leaf, tensors) for leaf in leaves]

    def rebuild(others: Sequence[Tensor]) -> Any:
        left = iter(others)
        return tree_unflatten([part(left) for part in parts], structure)

    return tensors, rebuild


def is_inexact(tensor: Tensor) -> bool:
    """Whether a tensor has a derivative: it holds floating-point or complex numbers."""
    return tensor.is_floating_point() or tensor.is_complex()


def _part(leaf: Any, tensors: list[Tensor]) -> Callable[[Iterator[Tensor]], Any]:
    """Add a leaf's tensors to those found; returns what makes the leaf of others."""
    if isinstance(leaf, Tensor):
        if not is_inexact(leaf):
            return lambda left: leaf
        tensors.append(leaf)
        return next
    if dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
        names: list[Any] = [field.name for field in dataclasses.fields(leaf)]
        get, put = getattr, object.__setattr__  # frozen ones too
    elif isinstance(leaf, MutableMapping | MutableSequence | tuple):
        names = list(leaf) if isinstance(leaf, MutableMapping) else list(range(len(leaf)))
        get, put = operator.getitem, operator.setitem
    else:
        _check_no_tensors(leaf)
        return lambda left: leaf
    found, rebuild = split([get(leaf, name) for name in names])
    if not found:
        return lambda left: leaf
    tensors += found

    def like_leaf(left: Iterator[Tensor]) -> Any:
        values = rebuild([next(left) for _ in found])
        if isinstance(leaf, tuple):
            return tuple.__new__(type(leaf), values)
        made = copy.copy(leaf)
        for name, value in zip(names, values, strict=True):
            put(made, name, value)
        return made

    return like_leaf


def _check_no_tensors(leaf: Any) -> None:
    """Refuse what would be passed on with f's own tensors in it. Caches hold theirs deeper."""
    held = leaf if isinstance(leaf, Set) else leaf.values() if isinstance(leaf, Mapping) else ()
    names = (*getattr(leaf, "__dict__", ()), *getattr(leaf, "__slots__", ()))
    values = (*held, *(getattr(leaf, name, None) for name in names))
    if isinstance(leaf, Iterator) or any(isinstance(v, Tensor) and is_inexact(v) for v in values):
        raise UserError(
            f"the model returns a {type(leaf).__name__}, whose tensors cannot be replaced by "
            "linearized ones: return them in a tuple, list, dictionary or dataclass."
        )


def plus(value: Any, product: Any) -> Any:
    """Outputs with the sum of both tensors wherever there is one with a derivative.

    Args:
        value: f(x; θ0).
        product: J(x)·τ in the structure of `value`.
    """
    (values, rebuild), (products, _) = split(value), split(product)
    return rebuild([torch.add(*pair) for pair in zip(values, products, strict=True)])
