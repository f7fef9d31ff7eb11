"""The whole study at its smallest: the demo's configuration with a tiny model of random weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from workspace import ROOT

MODEL, CONTROL, RANDOM_TASK = "tiny", "glyphs", "shapes"
TASKS = ("shapes", "counting")
NEW_TASK = "patterns"  # for a test to add
SEED = 3
ARCHITECTURE = {
    "embed_dim": 24,
    "vision_cfg": {
        "layers": 2,
        "width": 32,
        "head_width": 16,
        "patch_size": 8,
        "image_size": 32,
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
    },
}
PREPROCESSING = {"mean": [0.5] * 3, "std": [0.3] * 3, "interpolation": "bicubic"}
PREPROCESSING |= {"resize_mode": "shortest"}


def compact(state: dict[str, Any], tokens: list[int]) -> dict[str, Any]:
    """A compact checkpoint (tangent/models/compact_checkpoint.py) with the rows of these tokens."""
    import torch

    table = "token_embedding.weight"
    kept = {**state, table: state[table][tokens]}
    kept = {n: value.half() if value.is_floating_point() else value for n, value in kept.items()}
    return kept | {"token_ids": torch.tensor(tokens)}


def ship_checkpoint(folder: Path, seed: int = 0) -> str:
    """Write a model of random weights in the shipped format; returns the weights' SHA-256."""
    import open_clip
    import torch

    from tangent.jobs.files import sha256_file, write_json, write_safetensors
    from tangent.tasks.task_files import load_task

    torch.manual_seed(seed)
    model = open_clip.CLIP(**copy.deepcopy(ARCHITECTURE))
    names = (*TASKS, CONTROL, NEW_TASK)
    prompts = [text for name in names for row in load_task(name).prompts() for text in row]
    tokens = open_clip.get_tokenizer("ViT-B-32")(prompts).unique().tolist()
    write_safetensors(folder / "model.safetensors", compact(model.state_dict(), tokens))
    config = {"model_cfg": ARCHITECTURE, "preprocess_cfg": PREPROCESSING}
    write_json(folder / "open_clip_config.json", config)
    return sha256_file(folder / "model.safetensors")


def configuration(sha256: str) -> dict[str, Any]:
    """The demo's configuration at the size of a test."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    sizes = {"sources": [{"source": "demo", "seed": 0}], "order": "source"}
    sizes |= {"train_images": 150, "test_images": 40}
    rates = {"standard": 1.0e-3, "linear": 1.0e-3}
    config |= {"study": "tiny", "models": [MODEL], "tasks": list(TASKS), "control": CONTROL}
    config |= {"seeds": [SEED], "pretraining": {}, "architectures": {MODEL: "ViT"}}
    config["compute"] |= {"device": "cpu", "threads": 1}
    config["pretrained"] = {
        MODEL: {"source": "file", "image_size": 32, "folder": "shipped", "sha256": sha256}
    }
    config["datasets"] = {name: sizes for name in (*TASKS, CONTROL, NEW_TASK)}
    config["finetuning"] |= {"batch_size": 16, "warmup_steps": 2, "learning_rate": rates}
    config["finetuning"]["epochs"] = {"shapes": 2, "counting": 1, NEW_TASK: 1}
    # Enough validation images that a model of random weights gets one right.
    config["validation"]["fraction"] = 0.3
    config["alphas"]["points"] = 3
    config["disentanglement"] |= {
        "models": [MODEL],
        "pairs": [list(TASKS)],
        "minimum": -1.0,
        "maximum": 1.0,
        "points": 3,
        "images": 16,
    }
    config["eigenfunctions"] |= {"models": [MODEL], "tasks": list(TASKS), "images": 8}
    config["eigenfunctions"] |= {"components": 3, "logits": 1}
    config["combinations"] = {"models": [MODEL]}
    config["random_initialization"] |= {"models": [MODEL], "tasks": [RANDOM_TASK], "epochs": 1}
    return config
