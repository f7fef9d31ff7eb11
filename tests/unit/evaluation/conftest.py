"""A tiny study in the pipeline's own files: a real open_clip ViT, four data sets, task vectors.

Heads are blurred class means of the initial features, and a task vector is twenty steps of Adam:
enough for α to matter. The oracles of these tests compare numbers, not how well a model does.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.func import functional_call

from scripts import cli
from tangent.arithmetic.linearized import linearize
from tangent.jobs.files import read_csv, read_json, write_json

TASKS = ("red", "green", "blue")
CONTROL = "grey"
CLASSES = {"red": 3, "green": 4, "blue": 2, "grey": 5}
SIZES = {"train": 24, "validation": 40, "test": 50}
WIDTH, IMAGE = 24, 16
MODEL_CONFIG = {
    "embed_dim": 12,
    "vision_cfg": {
        "image_size": IMAGE,
        "layers": 2,
        "width": WIDTH,
        "head_width": 12,
        "patch_size": 8,
    },
    "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 2, "layers": 1},
}
PREPROCESS = {
    "mean": [0.5, 0.45, 0.4],
    "std": [0.3, 0.25, 0.2],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "size": IMAGE,
    "fill_color": 0,
}
GEOMETRY = json.dumps(
    {"size": [IMAGE, IMAGE], "interpolation": "bicubic", "resize_mode": "shortest"}
)


@dataclass
class Study:
    """Folders of the tiny study, and scripts run on them by their own command lines."""

    tasks: ClassVar = TASKS
    control: ClassVar = CONTROL

    root: Path
    model: torch.nn.Module = field(repr=False)
    theta0: dict[str, torch.Tensor] = field(repr=False)
    task_vectors: dict[str, dict[str, torch.Tensor]] = field(repr=False)
    oracle_cache: dict = field(default_factory=dict, repr=False)

    def script(self, name: str, *flags: object) -> None:
        """Run `scripts.{name}` with flags, as its command line would."""
        module = importlib.import_module(f"scripts.{name}")
        arguments = cli.parse(module.Arguments, [str(flag) for flag in flags])
        module.run(arguments)

    def evaluate(self, name: str, mode: str, *flags: object, vectors: tuple[str, ...]) -> None:
        """Run an evaluation of an edited model, in either kind of mode."""
        shared = [
            *("--model", "tiny", "--mode", mode, "--seed", 0),
            *("--heads-dir", self.root / "heads", "--datasets-dir", self.root / "datasets"),
            *self.features_flag(),
        ]
        if mode == "standard":
            shared += [*self.encoder_flags(), "--batch-size", 16, "--threads", 1, "--device", "cpu"]
            shared += ["--task-vectors", *(f"{n}={self.vector_file(n)}" for n in vectors)]
        else:
            folders = {task: self.root / "products" / task for task in (*TASKS, CONTROL)}
            shared += ["--products", *(f"{task}={folder}" for task, folder in folders.items())]
        self.script(name, *shared, *flags)

    def features_flag(self) -> list[object]:
        """The flag that names the features of every data set."""
        folders = {task: self.root / "features" / task for task in (*TASKS, CONTROL)}
        return ["--initial-features", *(f"{task}={folder}" for task, folder in folders.items())]

    def encoder_flags(self) -> list[object]:
        """The flags that name the encoder."""
        folder = self.root / "pretrained"
        return ["--pretrained-dir", folder, "--encoder", folder / "encoder.safetensors"]

    def vector_file(self, name: str) -> Path:
        """Where a task vector lies."""
        return self.root / "task_vectors" / f"{name}.safetensors"

    def json(self, *parts: str) -> dict:
        """A result."""
        return read_json(self.root.joinpath(*parts))

    def csv(self, *parts: str) -> list[dict[str, str]]:
        """A table."""
        return read_csv(self.root.joinpath(*parts))

    def images(self, task: str, split: str) -> torch.Tensor:
        """Normalised images [n, 3, size, size], by the test's own arithmetic."""
        raw = self.arrays(task, split)["images"].permute(0, 3, 1, 2).double() / 255
        mean, std = (torch.tensor(PREPROCESS[key]).view(3, 1, 1) for key in ("mean", "std"))
        return ((raw - mean) / std).float()

    def labels(self, task: str, split: str) -> np.ndarray:
        """Labels [n]."""
        return self.arrays(task, split)["labels"].numpy()

    def head(self, task: str) -> np.ndarray:
        """Zero-shot weights [classes, d]."""
        return load_file(self.root / "heads" / task / "head.safetensors")["weight"].numpy()

    def arrays(self, task: str, split: str) -> dict[str, torch.Tensor]:
        """Images uint8 [n, size, size, 3] and labels [n], as stored."""
        return load_file(self.root / "datasets" / task / f"{split}.safetensors")

    def edited(self, coefficients: dict[str, float]) -> dict[str, torch.Tensor]:
        """θ0 + Σ α τ by hand, with `sum` spelled out."""
        weights = {name: value.clone() for name, value in self.theta0.items()}
        for name, alpha in coefficients.items():
            for vector in TASKS if name == "sum" else (name,):
                for key in weights:
                    weights[key] = weights[key] + alpha * self.task_vectors[vector][key]
        return weights

    def oracle(
        self, mode: str, coefficients: dict[str, float], task: str, split: str
    ) -> torch.Tensor:
        """Features [n, d] by brute force: the (expanded) model at weights set by hand."""
        key = (mode, tuple(coefficients.items()), task, split)
        if key not in self.oracle_cache:
            self.oracle_cache[key] = self._brute_force(mode, coefficients, task, split)
        return self.oracle_cache[key]

    def _brute_force(
        self, mode: str, coefficients: dict[str, float], task: str, split: str
    ) -> torch.Tensor:
        weights, images = self.edited(coefficients), self.images(task, split)
        with torch.no_grad():
            if mode == "standard":
                return functional_call(self.model, weights, (images,))
            for name, parameter in self.expansion.model.named_parameters():
                parameter.copy_(weights[name])
            return self.expansion(images)

    @cached_property
    def expansion(self) -> torch.nn.Module:
        """The Taylor expansion of the encoder at θ0."""
        return linearize(self.model)

    def oracle_accuracy(
        self, mode: str, coefficients: dict[str, float], task: str, split: str
    ) -> float:
        """Accuracy by brute force."""
        return float(self.right(mode, coefficients, task, split).mean())

    def right(self, mode: str, coefficients: dict[str, float], task: str, split: str) -> np.ndarray:
        """On which images of the split that is right, bool [n]."""
        predicted = self.predict(self.oracle(mode, coefficients, task, split), task)
        return predicted == self.labels(task, split)

    def predict(self, features: torch.Tensor, task: str) -> np.ndarray:
        """Classes [n] by the zero-shot head."""
        normalized = torch.nn.functional.normalize(features.double(), dim=-1)
        return (normalized @ torch.from_numpy(self.head(task)).double().T).argmax(1).numpy()


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The tiny study with features, products of every vector, zero-shot and single-task results."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("study")
    study = build(root)
    tasks = (*TASKS, CONTROL)
    common = [*study.encoder_flags(), "--datasets-dir", root / "datasets", "--batch-size", 16]
    common += ["--threads", 1, "--device", "cpu"]
    study.script(
        *("merge_task_vectors", "--method", "sum", "--output", study.vector_file("sum")),
        *("--task-vectors", *(f"{n}={study.vector_file(n)}" for n in TASKS)),
    )
    for task in tasks:
        output = root / "features" / task
        study.script("initial_features", *common, "--dataset", task, "--output-dir", output)
        study.script(
            *("jacobian_products", *common, "--dataset", task),
            *("--task-vectors", *(f"{n}={study.vector_file(n)}" for n in ("sum", *TASKS))),
            *("--validation", "sum", *TASKS, "--test", "sum", *TASKS),
            *("--output-dir", root / "products" / task),
        )
    study.script(
        *("zero_shot", "--model", "tiny", "--seed", 0, *study.features_flag()),
        *("--heads-dir", root / "heads", "--datasets-dir", root / "datasets"),
        *("--output", root / "zero_shot.json"),
    )
    for mode in ("standard", "linear"):
        for task in TASKS:
            output = root / "single_task" / mode / f"{task}.json"
            flags = ("--task", task, "--output", output)
            study.evaluate("single_task", mode, *flags, vectors=(task,))
    return study


def build(root: Path) -> Study:
    """Write the files that earlier stages would have made."""
    model = open_clip.CLIP(
        MODEL_CONFIG["embed_dim"], MODEL_CONFIG["vision_cfg"], MODEL_CONFIG["text_cfg"]
    ).eval()
    folder = root / "pretrained"
    write_json(
        folder / "open_clip_config.json", {"model_cfg": MODEL_CONFIG, "preprocess_cfg": PREPROCESS}
    )
    encoder = model.visual
    with torch.no_grad():
        for parameter in encoder.parameters():  # zeros and ones would hide mistakes
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    save_file(encoder.state_dict(), folder / "encoder.safetensors")
    theta0 = {name: value.detach().clone() for name, value in encoder.named_parameters()}
    study = Study(root, encoder, theta0, {})
    for task, classes in CLASSES.items():
        write_dataset(study, task, classes)
        write_head(study, task, classes)
    (root / "task_vectors").mkdir()
    for task in TASKS:
        study.task_vectors[task] = finetune(study, task)
        save_file(study.task_vectors[task], study.vector_file(task))
    return study


def write_dataset(study: Study, task: str, classes: int) -> None:
    """Three splits of noisy class prototypes."""
    generator = np.random.RandomState(sum(map(ord, task)))
    prototypes = generator.randint(0, 256, (classes, IMAGE, IMAGE, 3))
    names = json.dumps([f"{task} {index}" for index in range(classes)])
    for split, size in SIZES.items():
        labels = np.arange(size, dtype=np.int64) % classes
        noise = generator.normal(0, 120, (size, IMAGE, IMAGE, 3))
        images = np.clip(prototypes[labels] + noise, 0, 255).astype(np.uint8)
        path = study.root / "datasets" / task / f"{split}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {"images": images, "labels": labels, "hashes": np.zeros((size, 32), np.uint8)}
        if split == "train":
            arrays["originals"] = np.full((size, 2), IMAGE)
        metadata = {"task": task, "split": split, "classes": names, "geometry": GEOMETRY}
        metadata["content_sha256"] = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
        save_file({name: torch.from_numpy(array) for name, array in arrays.items()}, path, metadata)


def write_head(study: Study, task: str, classes: int) -> None:
    """Class means of the initial features, with noise so that zero-shot is mediocre."""
    with torch.no_grad():
        features = study.model(study.images(task, "train"))
    features = torch.nn.functional.normalize(features, dim=-1)
    labels = torch.from_numpy(study.labels(task, "train"))
    means = torch.stack([features[labels == c].mean(0) for c in range(classes)])
    centred = means - means.mean(0)
    noisy = torch.nn.functional.normalize(centred, dim=-1) + 0.3 * torch.randn_like(centred)
    weight = 10 * torch.nn.functional.normalize(noisy, dim=-1)
    names = json.dumps([f"{task} {index}" for index in range(classes)])
    path = study.root / "heads" / task / "head.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"weight": weight}, path, {"kind": "zero_shot", "task": task, "classes": names})


def finetune(study: Study, task: str) -> dict[str, torch.Tensor]:
    """θ* − θ0 after some steps on the task's training images."""
    encoder = copy.deepcopy(study.model)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3)
    images, labels = study.images(task, "train"), torch.from_numpy(study.labels(task, "train"))
    head = torch.from_numpy(study.head(task))
    for _ in range(20):
        logits = torch.nn.functional.normalize(encoder(images), dim=-1) @ head.T
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
    return {name: value.detach() - study.theta0[name] for name, value in encoder.named_parameters()}
