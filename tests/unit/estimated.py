"""Models and configurations whose costs are estimated."""

from __future__ import annotations

import json

import torch
import yaml
from workspace import ROOT

from tangent.config.cost.cost import Job, cost_of
from tangent.config.cost.model_sizes import architecture_of
from tangent.config.load import load_config

OPEN_CLIP = ("ViT-B-32-quickgelu", "ViT-B-16-quickgelu", "ViT-L-14-quickgelu")
DEMO = {"folder": str(ROOT / "pretrained" / "demo-vit")}


def model_config(name):
    import open_clip

    if name == "demo-vit":
        path = ROOT / "pretrained" / "demo-vit" / "open_clip_config.json"
        return json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
    return open_clip.get_model_config(name)


def on_meta(name):
    """The whole model without its numbers."""
    import open_clip

    with torch.device("meta"):
        return open_clip.CLIP(**model_config(name)).eval()


def cost(config, rule, sizes=None, device="cpu", **wildcards):
    sizes = sizes or architecture_of(DEMO, "demo-vit").sizes
    job = Job(config, {"model": "demo-vit", **wildcards}, sizes, device, 24e9)
    return cost_of(rule, job)


def demo_config():
    return load_config(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
