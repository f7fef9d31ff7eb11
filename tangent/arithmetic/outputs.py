"""Outputs of a model in whatever structure they come: tensors with a derivative, and the rest."""

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

Rebuild = Callable[[Sequence[Tensor]], Any]


def split(outputs: Any) -> tuple[list[Tensor], Rebuild]:
    """Floating-point (and complex) tensors in what a model returned, and how others replace them.

    They are looked for in tuples, lists, dictionaries, dataclasses, and what is registered with
    torch's pytrees, as `ModelOutput` of transformers is. Everything else is passed on as it is:
    None, numbers, texts, caches, integer and boolean tensors.

    Returns:
        The tensors in order; and a function that gives the same outputs with other tensors, one for
        each, in their places.
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
    if not dataclasses.is_dataclass(leaf) or isinstance(leaf, type):
        return lambda left: leaf
    names = [field.name for field in dataclasses.fields(leaf)]
    found, rebuild = split([getattr(leaf, name) for name in names])
    tensors += found

    def like_leaf(left: Iterator[Tensor]) -> Any:
        made = copy.copy(leaf)
        for name, value in zip(names, rebuild([next(left) for _ in found]), strict=True):
            object.__setattr__(made, name, value)  # frozen ones too
        return made

    return like_leaf


def plus(value: Any, product: Any) -> Any:
    """Outputs with the sum of both tensors wherever there is one with a derivative.

    Args:
        value: f(x; θ0).
        product: J(x)·τ in the structure of `value`.
    """
    (values, rebuild), (products, _) = split(value), split(product)
    return rebuild([torch.add(*pair) for pair in zip(values, products, strict=True)])
