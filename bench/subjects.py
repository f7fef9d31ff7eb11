"""What is measured: a model, pictures of the demo, task vectors, a head."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from torch import Tensor, nn

from bench.harness import Setting
from tangent.arithmetic.linearized import parameters_of
from tangent.data.preprocess import resized
from tangent.data.split import Split
from tangent.demo.world import render_task
from tangent.evaluation.features import Images
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.fetch.fetching import fetch
from tangent.models.heads.head import TorchHead
from tangent.models.heads.zero_shot import ZeroShotHead

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 10
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
        fetch(entry).write(folder, {})
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

    def encoder(self) -> nn.Module:
        """A fresh copy of the image encoder on the device."""
        return load_encoder(self.folder, device=self.setting.device)

    def head(self) -> TorchHead:
        """Random directions of unit length [CLASSES, d]."""
        features = self.encoder()(self.noise(1)).shape[1]
        head = torch.randn(CLASSES, features, generator=torch.Generator().manual_seed(1))
        return ZeroShotHead(F.normalize(head, dim=-1).numpy()).on(self.setting.device)

    def task_vectors(self, count: int) -> dict[str, Tensor]:
        """Of each weight random directions, as long as fine-tunings: [count, *shape]."""
        torch.manual_seed(3)
        return {
            name: 1e-3 * torch.randn(count, *value.shape, device=self.setting.device)
            for name, value in parameters_of(self.encoder()).items()
        }

    def noise(self, images: int) -> Tensor:
        """Random normalised images [images, 3, size, size]."""
        shape = (images, 3, *preprocess_config(self.folder)["size"])
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(2))
        return noise.to(self.setting.device)

    def pictures(self, count: int) -> Images:
        """Test images of the demo's task `shapes`, resized to the model's size."""
        made, labels = render_task("shapes", "test", count, seed=0)
        preprocess = preprocess_config(self.folder)
        images = [np.asarray(resized(Image.fromarray(image), preprocess)) for image in made]
        arrays = Split.fields({"images": np.stack(images)})
        split = Split("shapes", "test", (), {}, "", labels, labels, **arrays)
        return Images(split, preprocess, self.setting.device)
