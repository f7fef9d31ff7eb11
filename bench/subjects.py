"""What is measured: a model, images of a data set prepared as any other, task vectors, a head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.harness import Clock

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from tangent.models.heads.head import TorchHead

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 10
TASK = "shapes"  # of the prepared data set; it has CLASSES classes
PAPER_MODEL = {"source": "random", "name": "ViT-B-32-quickgelu", "image_size": 224, "seed": 0}
_TINY = {
    "embed_dim": 8,
    "vision_cfg": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Where and how long to measure.

    Attributes:
        device: `cpu` or `cuda`.
        threads: of the CPU.
        folder: for models and data sets; may be shared by runs.
        quick: a tiny model, few images, no repetitions: shows that everything runs, no times.
    """

    device: str
    threads: int
    folder: Path
    quick: bool = False

    @property
    def clock(self) -> Clock:
        """Of the device."""
        return Clock(self.device, self.threads)

    @property
    def measuring(self) -> dict[str, Any]:
        """Arguments of `bench.harness.alternate`."""
        if self.quick:
            return {"budget": 0.0, "repetitions": (2, 2)}
        return {"budget": 12.0 if self.device == "cpu" else 4.0, "repetitions": (4, 40)}

    def scaled(self, cpu: int, cuda: int, quick: int) -> int:
        """A size by device."""
        return quick if self.quick else cuda if self.device == "cuda" else cpu

    @cached_property
    def subject(self) -> Subject:
        """The demo's model on a CPU, ViT-B-32 with random weights on a GPU."""
        if self.quick:
            return Subject.random(self, "tiny", _TINY)
        if self.device == "cuda":
            return Subject.of_source(self, "ViT-B-32", PAPER_MODEL)
        return Subject.of_source(self, "demo-vit", _demo_entry())


@dataclass(frozen=True)
class Subject:
    """A model's folder in open_clip's hub format, as every step of the pipeline reads it.

    Attributes:
        name: for people.
        folder: of the model.
        setting: device and sizes.
    """

    name: str
    folder: Path
    setting: Setting

    @classmethod
    def of_source(cls, setting: Setting, name: str, entry: Mapping[str, Any]) -> Subject:
        """From an entry of the configuration's section `pretrained`."""
        from tangent.models.sources import fetch, write

        folder = setting.folder / "models" / name
        if not (folder / "encoder.safetensors").exists():
            write(fetch(entry), folder, {})
        return cls(name, folder, setting)

    @classmethod
    def random(cls, setting: Setting, name: str, model_config: Mapping[str, Any]) -> Subject:
        """An architecture at its random initialisation."""
        import copy

        import open_clip
        import torch

        from tangent.models.families import FAMILIES
        from tangent.models.sources import Fetched, write

        folder = setting.folder / "models" / name
        if not (folder / "encoder.safetensors").exists():
            torch.manual_seed(0)
            model = open_clip.CLIP(**copy.deepcopy(dict(model_config)))
            preprocess = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
            preprocess |= {"resize_mode": "shortest", "fill_color": 0}
            preprocess["size"] = model_config["vision_cfg"]["image_size"]
            config = {"model_cfg": model_config, "preprocess_cfg": preprocess}
            states = model.state_dict(), model.visual.state_dict()
            write(Fetched(FAMILIES["clip"], config, *states, []), folder, {})
        return cls(name, folder, setting)

    @property
    def config(self) -> dict[str, Any]:
        """open_clip's `model_cfg`."""
        path = self.folder / "open_clip_config.json"
        return json.loads(path.read_text(encoding="utf-8"))["model_cfg"]

    @property
    def image_size(self) -> int:
        """Side of the model's images, in pixels."""
        return self.config["vision_cfg"]["image_size"]

    @property
    def preprocess(self) -> dict[str, Any]:
        """As the pipeline reads it."""
        from tangent.models.families import preprocess_config

        return preprocess_config(self.folder)

    def encoder(self) -> nn.Module:
        """A fresh copy of the image encoder on the device."""
        from tangent.models.encoders import load_encoder

        return load_encoder(self.folder, device=self.setting.device)

    def head(self, classes: int = CLASSES) -> TorchHead:
        """Random directions of unit length [classes, d]."""
        import torch
        import torch.nn.functional as F

        from tangent.models.heads.zero_shot import ZeroShotHead

        chance = torch.Generator().manual_seed(1)
        head = torch.randn(classes, self.config["embed_dim"], generator=chance)
        return ZeroShotHead(F.normalize(head, dim=-1).numpy()).on(self.setting.device)

    def batch(self, images: int) -> Tensor:
        """Random normalised images [images, 3, size, size]."""
        import torch

        chance = torch.Generator().manual_seed(2)
        size = (images, 3, self.image_size, self.image_size)
        return torch.randn(size, generator=chance).to(self.setting.device)

    def task_vectors(self, count: int) -> list[dict[str, Tensor]]:
        """Random directions of the size of a fine-tuning's steps, on the device."""
        import torch

        from tangent.arithmetic.linearized import parameters_of

        theta0 = parameters_of(self.encoder())
        torch.manual_seed(3)
        return [
            {name: 1e-3 * torch.randn_like(value) for name, value in theta0.items()}
            for _ in range(count)
        ]

    def dataset(self, source: Mapping[str, Any], train: int, test: int) -> Path:
        """The folder of data sets with `TASK`, prepared by the pipeline's own two steps.

        Args:
            source: an entry of `datasets.<task>.sources`.
            train: images of the training set, of which a tenth becomes the validation split.
            test: images of the test set.
        """
        from scripts import locate_dataset, prepare_dataset

        size = self.image_size
        name = f"{source['source']}-{source.get('height', size)}-{train}-{test}-{size}px"
        folder = self.setting.folder / "datasets" / name
        if not (folder / TASK / "dataset.json").exists():
            sizes = {"task": TASK, "train_images": train, "test_images": test}
            located = folder / "located.json"
            locate_dataset.run(
                locate_dataset.Arguments(**sizes, sources=[json.dumps(source)], output=located)
            )
            prepare_dataset.run(
                prepare_dataset.Arguments(
                    **sizes,
                    located=located,
                    image_size=size,
                    order="source",
                    validation_fraction=0.1,
                    validation_maximum=5000,
                    threads=self.setting.threads,
                    output_dir=folder / TASK,
                )
            )
        return folder

    def test_images(self, images: int) -> Any:
        """Test images of a data set of the demo, or of a synthetic one of the paper's size."""
        from tangent.evaluation.features import StoredExamples

        if self.image_size == 32 and not self.setting.quick:
            folder = self.dataset({"source": "demo", "seed": 0}, 2000, 500)
        else:
            side = self.image_size
            source = {"source": "synthetic", "height": side, "width": side, "seed": 0}
            folder = self.dataset(source, 2 * CLASSES, images)
        stored = StoredExamples(folder, self.preprocess, self.setting.device)
        return stored(TASK, "test", _first(images))


def _first(images: int) -> np.ndarray:
    import numpy as np

    return np.arange(images)


def _demo_entry() -> dict[str, Any]:
    import yaml

    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    entry = config["pretrained"]["demo-vit"]
    return entry | {"folder": str(ROOT / entry["folder"])}
