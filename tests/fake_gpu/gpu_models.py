"""Small models with heads and data sets, as trainings and evaluations on a GPU take them."""

from __future__ import annotations

import numpy as np
import open_clip
from timm.models.convnext import ConvNeXt
from torch import nn
from transformers import T5Config

from tangent.models.heads.answers import AnswersHead
from tangent.models.heads.head import Head
from tangent.models.heads.probe import ProbeHead
from tangent.models.heads.zero_shot import ZeroShotHead
from tangent.models.text_to_text import TextToText

CLASSES, WIDTH = 4, 8
PREPROCESS = {
    "size": [32, 32],
    "mean": [0.5] * 3,
    "std": [0.3] * 3,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


class StoredImages:
    """Six images of 36 × 36 pixels, kept of larger ones; some of a split's interface."""

    kind = "image"

    def __init__(self) -> None:
        self.labels = np.arange(6) % CLASSES
        self.sizes, self.originals = np.full((6, 2), 36), np.full((6, 2), 48)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros((len(rows), 36, 36, 3), np.uint8)


class StoredTexts:
    """Six texts of 5 tokens with 4 candidate answers of 2 tokens."""

    kind = "text"

    def __init__(self) -> None:
        self.labels, self.tokens = np.arange(6) % CLASSES, np.ones((6, 13), np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self.tokens[rows]


def clip() -> nn.Module:
    """Both encoders of a CLIP."""
    vision = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 16, "vocab_size": 99, "width": 16, "heads": 2, "layers": 1}
    return open_clip.CLIP(embed_dim=WIDTH, vision_cfg=vision, text_cfg=text)


def _t5() -> TextToText:
    sizes = {"d_model": WIDTH, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    architecture = T5Config(vocab_size=9, num_decoder_layers=1, **sizes)
    return TextToText(architecture, input_length=5, answer_length=2)


def family(name: str) -> tuple[nn.Module, Head, StoredImages | StoredTexts]:
    """Encoder and head, on the CPU, and a split of a model family."""
    if name == "T5":
        tokens = np.ones((CLASSES, 2), np.int64)
        return _t5(), AnswersHead(np.ones((9, WIDTH), np.float32), tokens, 5), StoredTexts()
    if name == "classifier":
        encoder = ConvNeXt(depths=(1, 1, 1, 1), dims=(4, 4, 6, 6), num_classes=0)
        weight = np.ones((CLASSES, encoder.num_features), np.float32)
        return encoder, ProbeHead(weight, np.ones(CLASSES, np.float32)), StoredImages()
    return clip().visual, ZeroShotHead(np.ones((CLASSES, WIDTH), np.float32)), StoredImages()


def on_gpu(module: nn.Module) -> nn.Module:
    """A model in evaluation mode on the GPU, as `load_encoder` gives it."""
    return module.to("cuda").eval()
