"""How a published file names and shapes the tensors of open_clip's image encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Origin:
    """Where a tensor of the encoder lies in a file.

    Attributes:
        names: the file's tensors that make it up; several are joined along their first dimension.
        is_transposed: whether the file holds the transposed matrix (of one name).
    """

    names: tuple[str, ...]
    is_transposed: bool = False

    def split(self, value: Tensor) -> dict[str, Tensor]:
        """The file's tensors for the encoder's tensor `value`."""
        if len(self.names) == 1:
            return {self.names[0]: value.T if self.is_transposed else value}
        return dict(zip(self.names, value.chunk(len(self.names)), strict=True))

    def join(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The encoder's tensor, from the file's."""
        if len(self.names) == 1:
            value = tensors[self.names[0]]
            return value.T.contiguous() if self.is_transposed else value
        return torch.cat([tensors[name] for name in self.names])


@dataclass(frozen=True)
class Layout:
    """The names of one kind of file.

    Attributes:
        title: the kind, for people.
        origin: from a name of the encoder to its `Origin`; None if such a file does not hold it.
        is_left_out: whether a name of the file is known to be no part of the image encoder.
    """

    title: str
    origin: Callable[[str], Origin | None]
    is_left_out: Callable[[str], bool]
