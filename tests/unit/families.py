"""Small models of several families, in float64 with random weights, for the oracles."""

from __future__ import annotations

from collections.abc import Callable

import timm
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from timm.models import build_model_with_cfg
from timm.models.convnext import ConvNeXt
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from transformers import T5Config

from tangent.models.text_to_text import TextToText


class Perceptron(nn.Module):
    """Batch normalisation, a weight used twice, a constant parameter and an integer buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(5, 5)
        self.norm = nn.BatchNorm1d(5)
        self.again = nn.Linear(5, 5, bias=False)
        self.again.weight = self.inner.weight
        self.shift = nn.Parameter(torch.randn(5), requires_grad=False)
        self.dropout = nn.Dropout(0.5)
        self.outer = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.norm(self.inner(x)) + self.shift)
        return self.outer(self.dropout(torch.tanh(self.again(hidden))))


def perceptron() -> tuple[nn.Module, Tensor]:
    return Perceptron(), torch.randn(4, 5)


def vision_transformer() -> tuple[nn.Module, Tensor]:
    vision = CLIPVisionCfg(layers=2, width=12, head_width=6, patch_size=4, image_size=8)
    text = CLIPTextCfg(context_length=4, vocab_size=8, width=6, heads=1, layers=1)
    return CLIP(embed_dim=5, vision_cfg=vision, text_cfg=text).visual, torch.randn(3, 3, 8, 8)


def timm_vision_transformer() -> tuple[nn.Module, Tensor]:
    model = VisionTransformer(
        img_size=8, patch_size=4, embed_dim=12, depth=2, num_heads=2, mlp_ratio=2, num_classes=0
    )
    return model, torch.randn(3, 3, 8, 8)


@timm.models.register_model
def tiny_convnext(pretrained: bool = False, **options: object) -> ConvNeXt:
    """Found by its name as timm's own ConvNeXts are, but with few weights."""
    size = {"depths": (1, 1, 1, 1), "dims": (4, 4, 6, 6)}
    return build_model_with_cfg(ConvNeXt, "tiny_convnext", pretrained, **size, **options)


def timm_convnext() -> tuple[nn.Module, Tensor]:
    return timm.create_model("tiny_convnext", num_classes=0), torch.randn(2, 3, 32, 32)


def clip_convnext() -> tuple[nn.Module, Tensor]:
    config = {"timm_model_name": "tiny_convnext", "timm_model_pretrained": False, "image_size": 32}
    vision = CLIPVisionCfg(**config, timm_pool="avg", timm_proj="linear")
    text = CLIPTextCfg(context_length=4, vocab_size=8, width=6, heads=1, layers=1)
    return CLIP(embed_dim=5, vision_cfg=vision, text_cfg=text).visual, torch.randn(2, 3, 32, 32)


def text_to_text() -> tuple[nn.Module, Tensor]:
    """T5 on inputs of 5 tokens with 2 candidate answers of 2 tokens, some of them padding."""
    architecture = T5Config(
        vocab_size=9, d_model=6, d_kv=2, d_ff=7, num_layers=1, num_heads=2,
        num_decoder_layers=2, relative_attention_num_buckets=4, relative_attention_max_distance=6,
    )  # fmt: skip
    tokens = torch.randint(1, 9, (4, 9))
    tokens[1:3, 3:5] = tokens[:, 8] = 0
    return TextToText(architecture, input_length=5, answer_length=2), tokens


FAMILIES: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "perceptron": perceptron,
    "vision transformer": vision_transformer,
    "CLIP ConvNeXt": clip_convnext,
    "timm ViT": timm_vision_transformer,
    "timm ConvNeXt": timm_convnext,
    "text-to-text": text_to_text,
}
CONTINUOUS = [name for name in FAMILIES if name != "text-to-text"]
"""Families whose inputs are numbers, in which outputs can be differentiated."""


def make(family: str) -> tuple[nn.Module, Tensor]:
    """A model in evaluation mode and a batch of inputs, float64."""
    model, inputs = FAMILIES[family]()
    model, inputs = model.double().eval(), cast(inputs, torch.float64)
    with torch.no_grad():
        # Zeros and ones of an initialisation would hide mistakes, in buffers too.
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    return model, inputs


def cast(inputs: Tensor, dtype: torch.dtype) -> Tensor:
    """Inputs in a type of floating-point numbers; token ids as they are."""
    return inputs.to(dtype) if inputs.is_floating_point() else inputs


def more_like(inputs: Tensor, count: int) -> Tensor:
    """Other random inputs of the shape and type of a batch: of token ids, its columns shuffled."""
    if inputs.is_floating_point():
        return torch.randn(count, *inputs.shape[1:]).to(inputs)
    rows = torch.randint(len(inputs), (count, inputs.shape[1]))
    return inputs.gather(0, rows)


def random_direction(model: nn.Module, scale: float = 0.1) -> dict[str, Tensor]:
    """A random step for every parameter that is trained, zero for constants."""
    return {
        name: scale * torch.randn_like(value) * value.requires_grad
        for name, value in model.named_parameters()
    }


def moved(model: nn.Module, direction: dict[str, Tensor], step: float = 1.0) -> dict[str, Tensor]:
    """Weights of `model` after `step` times `direction`."""
    return {
        name: value.detach() + step * direction[name] for name, value in model.named_parameters()
    }
