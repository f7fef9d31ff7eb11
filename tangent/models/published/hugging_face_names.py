"""Files of Hugging Face's transformers: CLIPVisionModel, CLIPVisionModelWithProjection, CLIPModel.

They keep query, key and value apart and transpose the projection. A CLIPVisionModel has no
projection at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from tangent.models.published.names import Layout, Origin

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
# The text encoder of a CLIPModel. The head is the base model's, so nothing reads it.
_TEXT = re.compile(r"text_model\..*|text_projection\.weight|logit_scale")


def detect(names: Collection[str]) -> Layout | None:
    """The layout, if `names` are a transformers file's.

    Versions before 5 write a CLIPVisionModel's names with the prefix `vision_model.`, version 5
    without; the other two have it in all versions.
    """
    for prefix in ("vision_model.", ""):
        if any(name.startswith(prefix + mark) for name in names for mark in _MARKS):
            break
    else:
        return None
    has_projection = _PROJECTION in names

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
