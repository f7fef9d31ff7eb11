"""Names and shapes of the tensors of open_clip's image encoder in published files.

- Files with open_clip's own names hold a whole CLIP model, or its image encoder alone.
- Those of Hugging Face's transformers (CLIPVisionModel, CLIPVisionModelWithProjection, CLIPModel)
  keep query, key and value apart and transpose the projection. A CLIPVisionModel has none at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# Everything of a CLIP model but the image encoder: the text encoder, the logit scale, and constants
# that OpenAI's own files hold. The head is the base model's, so nothing reads them.
_NOT_VISUAL = re.compile(
    r"(transformer|ln_final|token_embedding|text)\..*"
    r"|positional_embedding|text_projection(\.weight|\.bias)?|logit_scale|logit_bias|attn_mask"
    r"|input_resolution|context_length|vocab_size"
)
_PROJECTION = "visual_projection.weight"
_MARKS = ("embeddings.", "encoder.layers.")
_ENCODER = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre": "pre_layrnorm",  # (sic)
    "ln_post": "post_layernorm",
}
_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_IN_BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")
# The text encoder of a CLIPModel.
_TEXT = re.compile(r"text_model\..*|text_projection\.weight|logit_scale")


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


def layout_of(names: Collection[str]) -> Layout:
    """The layout of a file with tensors of these names.

    Versions of transformers before 5 write a CLIPVisionModel's names with the prefix
    `vision_model.`, version 5 without; the other two have it in all versions.
    """
    for prefix in ("vision_model.", ""):
        if any(name.startswith(prefix + mark) for name in names for mark in _MARKS):
            return _hugging_face(prefix, _PROJECTION in names)
    if any(name.startswith("visual.") for name in names):
        return Layout(
            "open_clip model",
            lambda name: Origin((f"visual.{name}",)),
            lambda name: bool(_NOT_VISUAL.fullmatch(name)),
        )
    return Layout("open_clip image encoder", lambda name: Origin((name,)), lambda name: False)


def _hugging_face(prefix: str, has_projection: bool) -> Layout:
    def origin(name: str) -> Origin | None:
        if name == "proj":
            return Origin((_PROJECTION,), is_transposed=True) if has_projection else None
        return Origin(tuple(prefix + theirs for theirs in _their_names(name)))

    def is_left_out(name: str) -> bool:
        # Position ids are a table 0, 1, 2, … that older versions stored.
        return name == f"{prefix}embeddings.position_ids" or bool(_TEXT.fullmatch(name))

    return Layout("Hugging Face CLIP", origin, is_left_out)


def _their_names(name: str) -> list[str]:
    block = _IN_BLOCK.fullmatch(name)
    if block is None:
        module, _, kind = name.rpartition(".")
        return [_ENCODER[name] if name in _ENCODER else f"{_ENCODER.get(module, module)}.{kind}"]
    number, module, kind = block.groups()
    layer = f"encoder.layers.{number}"
    if module == "attn.in_proj":
        return [f"{layer}.self_attn.{part}_proj.{kind}" for part in "qkv"]
    return [f"{layer}.{_BLOCK.get(module, module)}.{kind}"]
