"""Subjects of the bench: a model, images prepared as any others, task vectors, a head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from bench.harness import Setting
from scripts import locate_dataset, prepare_dataset
from tangent.arithmetic.linearized import parameters_of
from tangent.evaluation.features import Examples, StoredExamples
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.fetch.fetched import write
from tangent.models.fetch.fetching import fetch
from tangent.models.heads.head import TorchHead
from tangent.models.heads.zero_shot import ZeroShotHead

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 10
TASK = "shapes"  # of the prepared data set; it has CLASSES classes
PAPER_MODEL = {"source": "random", "name": "ViT-B-32-quickgelu", "image_size": 224, "seed": 0}


def subject_of(setting: Setting) -> Subject:
    """The demo's model on a CPU, ViT-B-32 with random weights on a GPU."""
    name, entry = "ViT-B-32", PAPER_MODEL
    if setting.device == "cpu" or setting.quick:
        config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        name, entry = "demo-vit", config["pretrained"]["demo-vit"]
        entry |= {"folder": str(ROOT / entry["folder"])}
    folder = setting.folder / "models" / name
    if not (folder / "encoder.safetensors").exists():
        write(fetch(entry), folder, {})
    return Subject(folder, setting)


@dataclass(frozen=True)
class Subject:
    """A model's folder in open_clip's hub format, as every step of the pipeline reads it.

    Attributes:
        folder: of the model, by whose name people know it.
        setting: device and sizes.
    """

    folder: Path
    setting: Setting

    @cached_property
    def config(self) -> dict[str, Any]:
        """open_clip's `model_cfg`."""
        path = self.folder / "open_clip_config.json"
        return json.loads(path.read_text(encoding="utf-8"))["model_cfg"]

    @property
    def image_size(self) -> int:
        """Side of the model's images, in pixels."""
        return self.config["vision_cfg"]["image_size"]

    def encoder(self) -> nn.Module:
        """A fresh copy of the image encoder on the device."""
        return load_encoder(self.folder, device=self.setting.device)

    def head(self) -> TorchHead:
        """Random directions of unit length [CLASSES, d]."""
        generator = torch.Generator().manual_seed(1)
        head = torch.randn(CLASSES, self.config["embed_dim"], generator=generator)
        return ZeroShotHead(F.normalize(head, dim=-1).numpy()).on(self.setting.device)

    def batch(self, images: int) -> Tensor:
        """Random normalised images [images, 3, size, size]."""
        generator = torch.Generator().manual_seed(2)
        size = (images, 3, self.image_size, self.image_size)
        return torch.randn(size, generator=generator).to(self.setting.device)

    def task_vectors(self, count: int) -> Mapping[str, Tensor]:
        """Of each weight random directions, as long as fine-tunings: [count, *shape]."""
        theta0 = parameters_of(self.encoder())
        torch.manual_seed(3)
        taus = [
            {name: 1e-3 * torch.randn_like(value) for name, value in theta0.items()}
            for _ in range(count)
        ]
        return {name: torch.stack([tau[name] for tau in taus]) for name in theta0}

    def test_images(self, images: int) -> Examples:
        """Test images of a data set of the demo, or of a synthetic one of the paper's size.

        The pipeline's own two steps prepare it.
        """
        side, source = self.image_size, {"source": "demo", "seed": 0}
        train, test = (200, 50) if self.setting.quick else (2000, 500)
        if side != 32:
            source = {"source": "synthetic", "height": side, "width": side, "seed": 0}
            train, test = 2 * CLASSES, images
        folder = self.setting.folder / "datasets" / f"{source['source']}-{test}-{side}px"
        if not (folder / TASK / "dataset.json").exists():
            sizes = {"task": TASK, "train_images": train, "test_images": test}
            located = folder / "located.json"
            locate_dataset.run(
                locate_dataset.Arguments(**sizes, sources=[json.dumps(source)], output=located)
            )
            prepare_dataset.run(
                prepare_dataset.Arguments(
                    **sizes, located=located, image_size=side, order="source",
                    validation_fraction=0.1, validation_maximum=5000,
                    threads=self.setting.threads, output_dir=folder / TASK,
                )
            )  # fmt: skip
        stored = StoredExamples(folder, preprocess_config(self.folder), self.setting.device)
        return stored(TASK, "test", np.arange(images))
