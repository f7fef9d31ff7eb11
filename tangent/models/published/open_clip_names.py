"""Files with open_clip's own names: a whole CLIP model, or its image encoder alone."""

from __future__ import annotations

import re
from collections.abc import Collection

from tangent.models.published.names import Layout, Origin

_VISUAL = "visual."
# Everything of a CLIP model but the image encoder: the text encoder, the logit scale, and constants
# that OpenAI's own files hold. The head is the base model's, so nothing reads them.
_NOT_VISUAL = re.compile(
    r"(transformer|ln_final|token_embedding|text)\..*"
    r"|positional_embedding|text_projection(\.weight|\.bias)?|logit_scale|logit_bias|attn_mask"
    r"|input_resolution|context_length|vocab_size"
)


def detect(names: Collection[str]) -> Layout:
    """The layout of a whole model if any name begins with `visual.`, else of an encoder alone."""
    if any(name.startswith(_VISUAL) for name in names):
        return Layout(
            "open_clip model",
            lambda name: Origin((_VISUAL + name,)),
            lambda name: bool(_NOT_VISUAL.fullmatch(name)),
        )
    return Layout("open_clip image encoder", lambda name: Origin((name,)), lambda name: False)
