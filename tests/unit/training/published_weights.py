"""Fine-tuned weights of a tiny CLIP as others publish them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tangent.jobs.files import write_json, write_safetensors
from tangent.models.published.conversion import layout_of

TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32},
    "text_cfg": {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1},
}


@dataclass(frozen=True)
class Base:
    """A pre-trained model's folder and fine-tuned weights of it.

    Attributes:
        folder: open_clip_config.json and encoder.safetensors, θ0.
        model_cfg: open_clip's architecture.
        finetuned: the whole CLIP model with θ* = θ0 + noise of a few per cent.
    """

    folder: Path
    model_cfg: dict
    finetuned: nn.Module

    @property
    def theta0(self) -> dict[str, Tensor]:
        return load_file(self.folder / "encoder.safetensors")

    @property
    def theta_star(self) -> dict[str, Tensor]:
        return dict(self.finetuned.visual.state_dict())


def randomize(module: nn.Module, size: float) -> None:
    """Noise on every parameter: at initialisation, swapped norms or biases would go unnoticed."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(size * torch.randn_like(parameter))


def make_base(folder: Path, model_cfg: dict = TINY) -> Base:
    model = open_clip.CLIP(**model_cfg).eval()
    randomize(model, 0.05)
    write_json(folder / "open_clip_config.json", {"model_cfg": model_cfg})
    source = json.dumps({"source": "open_clip", "name": "tiny-quickgelu", "tag": "openai"})
    metadata = {"model": "tiny", "provenance": json.dumps({"settings": {"source": source}})}
    write_safetensors(folder / "encoder.safetensors", model.visual.state_dict(), metadata)
    randomize(model, 0.002)
    return Base(folder, model_cfg, model)


def as_transformers(base: Base, kind: str) -> nn.Module:
    """A model of transformers with the weights θ*; the names are transformers' to accept."""
    import transformers

    vision = base.model_cfg["vision_cfg"]
    vision_config = {
        "hidden_size": vision["width"],
        "intermediate_size": 4 * vision["width"],
        "num_hidden_layers": vision["layers"],
        "num_attention_heads": vision["width"] // vision.get("head_width", 64),
        "patch_size": vision["patch_size"],
        "image_size": vision["image_size"],
        "projection_dim": base.model_cfg["embed_dim"],
        "hidden_act": "quick_gelu",
    }
    if kind == "CLIPModel":
        text = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1,
                "num_hidden_layers": 1, "vocab_size": 8, "max_position_embeddings": 4,
                "bos_token_id": 0, "eos_token_id": 1}  # fmt: skip
        config = transformers.CLIPConfig(
            text_config=text,
            vision_config=vision_config,
            projection_dim=base.model_cfg["embed_dim"],
        )
    else:
        config = transformers.CLIPVisionConfig(**vision_config)
    model = getattr(transformers, kind)(config).eval()
    layout = layout_of(model.state_dict())
    weights = {}
    for name, value in base.theta_star.items():
        weights |= layout.split(name, value)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.startswith(("text_", "logit")) for name in missing)
    return model
