"""A CLIP ViT of open_clip in the format of `transformers.CLIPModel`: other names, same numbers.

The two implement one network, so tensors are renamed, queries, keys and values are cut apart, and
projections transposed. What open_clip can configure beyond that has no counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.files import write_json, write_safetensors, write_text

if TYPE_CHECKING:
    from torch import Tensor

_VISION = {"layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size"}
_TEXT = {"layers", "width", "heads", "mlp_ratio", "context_length", "vocab_size"}

_NAMES = {
    r"visual\.conv1\.": "vision_model.embeddings.patch_embedding.",
    r"visual\.class_embedding": "vision_model.embeddings.class_embedding",
    r"visual\.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    r"visual\.ln_pre\.": "vision_model.pre_layrnorm.",
    r"visual\.ln_post\.": "vision_model.post_layernorm.",
    r"visual\.transformer\.resblocks\.": "vision_model.encoder.layers.",
    r"token_embedding\.": "text_model.embeddings.token_embedding.",
    r"positional_embedding": "text_model.embeddings.position_embedding.weight",
    r"ln_final\.": "text_model.final_layer_norm.",
    r"transformer\.resblocks\.": "text_model.encoder.layers.",
}
"""What names of tensors begin with here and there."""

_IN_LAYERS = {
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    ".attn.out_proj.": ".self_attn.out_proj.",
    ".mlp.c_fc.": ".mlp.fc1.",
    ".mlp.c_proj.": ".mlp.fc2.",
}

_RESAMPLING = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
"""Pillow's numbers of interpolations."""


def without_counterpart(config: Mapping[str, Any]) -> str | None:
    """What of an open_clip configuration `transformers.CLIPModel` does not have; None: nothing."""
    import open_clip

    model = config["model_cfg"]
    odd = [key for key in model if key not in ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu")]
    towers = [("vision_cfg", open_clip.CLIPVisionCfg, _VISION)]
    towers += [("text_cfg", open_clip.CLIPTextCfg, _TEXT)]
    for key, kind, known in towers:
        defaults, found = asdict(kind()), asdict(kind(**model[key]))
        for name, value in found.items():
            fits = isinstance(value, int | float) if name in known else value == defaults[name]
            odd += [] if fits else [f"{key}.{name}"]
    preprocessing = config["preprocess_cfg"]
    if preprocessing["resize_mode"] != "shortest":
        odd.append("preprocess_cfg.resize_mode")
    if preprocessing["interpolation"] not in _RESAMPLING:
        odd.append("preprocess_cfg.interpolation")
    return ", ".join(odd) or None


def write(folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Write model, image processor and tokenizer, as `from_pretrained` reads them.

    Args:
        folder: to write to.
        config: open_clip's, for which `without_counterpart` finds nothing.
        state: state dict of open_clip's model.
    """
    write_json(folder / "config.json", _model_config(config["model_cfg"]))
    # transformers reads no file that does not say whose tensors it holds.
    write_safetensors(folder / "model.safetensors", renamed(state), {"format": "pt"})
    write_json(folder / "preprocessor_config.json", _image_processor(config))
    _write_tokenizer(folder, config["model_cfg"]["text_cfg"])


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of `transformers.CLIPModel` with the weights of open_clip's `CLIP`."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name == "logit_scale":
            found[name] = value
        elif name == "visual.proj":
            found["visual_projection.weight"] = value.T
        elif name == "text_projection":
            found["text_projection.weight"] = value.T
        else:
            found |= _of_tower(name, value)
    return found


def _of_tower(name: str, value: Tensor) -> dict[str, Tensor]:
    begins = next(pattern for pattern in _NAMES if re.match(pattern, name))
    name = re.sub(f"^{begins}", _NAMES[begins], name)
    if ".attn.in_proj_" in name:
        layer, kind = name.split(".attn.in_proj_")
        parts = zip(("q_proj", "k_proj", "v_proj"), value.chunk(3), strict=True)
        return {f"{layer}.self_attn.{part}.{kind}": of_part for part, of_part in parts}
    for theirs, ours in _IN_LAYERS.items():
        name = name.replace(theirs, ours)
    return {name: value}


def _model_config(model: Mapping[str, Any]) -> dict[str, Any]:
    import open_clip

    vision = open_clip.CLIPVisionCfg(**model["vision_cfg"])
    text = open_clip.CLIPTextCfg(**model["text_cfg"])
    act = {"hidden_act": "quick_gelu" if model.get("quick_gelu", False) else "gelu"}
    common = act | {"projection_dim": model["embed_dim"]}
    # open_clip reads a text at its largest token, which is the last of the vocabulary.
    end = text.vocab_size - 1
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": model["embed_dim"],
        "vision_config": common
        | {
            "hidden_size": vision.width,
            "intermediate_size": int(vision.width * vision.mlp_ratio),
            "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.width // vision.head_width,
            "patch_size": vision.patch_size,
            "image_size": vision.image_size,
        },
        "text_config": common
        | {
            "vocab_size": text.vocab_size,
            "hidden_size": text.width,
            "intermediate_size": int(text.width * text.mlp_ratio),
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "max_position_embeddings": text.context_length,
            "bos_token_id": end - 1,
            "eos_token_id": end,
            "pad_token_id": end,
        },
    }


def _image_processor(config: Mapping[str, Any]) -> dict[str, Any]:
    size, preprocessing = config["model_cfg"]["vision_cfg"]["image_size"], config["preprocess_cfg"]
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": size},
        "resample": _RESAMPLING[preprocessing["interpolation"]],
        "do_center_crop": True,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocessing["mean"]),
        "image_std": list(preprocessing["std"]),
    }


def _write_tokenizer(folder: Path, text: Mapping[str, Any]) -> None:
    """open_clip's byte-pair encoding, of which transformers spells the special tokens otherwise."""
    from open_clip import SimpleTokenizer
    from transformers import CLIPTokenizer

    ours = SimpleTokenizer()
    special = dict(zip(ours.all_special_ids, ("<|startoftext|>", "<|endoftext|>"), strict=True))
    vocabulary = {special.get(number, word): number for word, number in ours.encoder.items()}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=list(ours.bpe_ranks))
    write_text(folder / "tokenizer.json", tokenizer.backend_tokenizer.to_str())
    length = {"model_max_length": text.get("context_length", 77)}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer"} | length)
