"""Supervised pre-training of the demo's closed-vocabulary models, as of ImageNet's at full scale.

A label is a domain of the demo world and a class of it, 154 in all. Images are those of the
contrastive pre-training; what its captions leave vague has its label here too.
"""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from tangent.demo.world import pretraining_classes, pretraining_data
from tangent.jobs.files import write_json, write_safetensors
from tangent.models.closed_vocabulary import CONFIG_FILE, new_model
from tangent.training.pretraining.pixels import PREPROCESSING, normalise
from tangent.training.pretraining.recipes import WEIGHTS_FILE, Supervised
from tangent.training.pretraining.steps import Objective

# timm's names, and what differs from them.
TOWERS: dict[str, tuple[str, dict[str, Any]]] = {
    # 2.7 million parameters, 17 tokens.
    "vit": (
        "vit_tiny_patch16_224",
        {"img_size": 32, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6},
    ),
    # 4.2 million parameters, from 8 x 8 places to one.
    "convnext": (
        "convnext_tiny",
        {"patch_size": 4, "depths": [2, 2, 4, 2], "dims": [48, 96, 192, 384]},
    ),
}
EVALUATION_IMAGES = 2000

logger = logging.getLogger("tangent")


def timm_config(tower: str) -> dict[str, Any]:
    """The configuration of a closed-vocabulary model (`tangent.models.closed_vocabulary`)."""
    architecture, arguments = TOWERS[tower]
    return {
        "model_cfg": {
            "architecture": architecture,
            "model_args": arguments,
            "num_classes": len(pretraining_classes()),
        },
        "preprocess_cfg": {"size": [32, 32], **PREPROCESSING, "fill_color": 0},
    }


class SupervisedObjective(Objective):
    """Labelled images, rendered, and a classifier of timm (see `steps.Objective`).

    The model's weights are drawn from torch's global generator.
    """

    def __init__(self, recipe: Supervised) -> None:
        self._config = timm_config(recipe.tower)
        started = time.monotonic()
        self._pixels, _, labels = pretraining_data(recipe.images, recipe.seed)
        self._labels = torch.from_numpy(labels)
        # No more than it is trained on: a small try is over soon.
        held_out = min(EVALUATION_IMAGES, recipe.images)
        self._held_out = pretraining_data(held_out, recipe.seed + 1)
        logger.info("%d images in %.0f s", recipe.images, time.monotonic() - started)
        self.model = new_model(self._config)

    def loss(self, chosen: torch.Tensor) -> torch.Tensor:
        """The cross-entropy of the images `chosen`, int64 [batch]."""
        # 17 tokens are too few for the fused kernel: its backward pass is slower than this one.
        # In float32: processors without bfloat16 take some 60 times as long for its products.
        with sdpa_kernel(SDPBackend.MATH):
            logits = self.model(normalise(self._pixels[chosen.numpy()]))
        return F.cross_entropy(logits, self._labels[chosen])

    def write(self, folder: Path) -> None:
        """Write the whole model and its configuration."""
        write_safetensors(folder / WEIGHTS_FILE, self.model.state_dict())
        write_json(folder / CONFIG_FILE, self._config)

    @torch.no_grad()
    def metrics(self) -> dict[str, Any]:
        """Accuracy, in [0, 1], on fresh images of the pre-training's distribution, by domain."""
        pixels, _, labels = self._held_out
        domains = np.array([task for task, _ in pretraining_classes()])[labels]
        self.model.eval()
        logits = [self.model(normalise(part)) for part in np.array_split(pixels, 8)]
        self.model.train()
        is_right = torch.cat(logits).argmax(dim=1).numpy() == labels
        return {
            "accuracy": float(is_right.mean()),
            "accuracies": {
                domain: float(is_right[domains == domain].mean())
                for domain in dict.fromkeys(domains.tolist())
            },
            "evaluation_images": len(labels),
        }


prepare = SupervisedObjective
