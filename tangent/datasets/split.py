"""One split of a decoded data set: its arrays, its file, its checks and its content hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tangent.errors import UserError
from tangent.files import read_safetensors, write_safetensors

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Images and labels of one split.

    Attributes:
        task: name of the task.
        name: `train` (without the validation images), `validation` or `test`.
        images: uint8 [n, height, width, 3], RGB.
        labels: int64 [n], indices into `classes`.
        classes: class names in the order of the labels.
    """

    task: str
    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def check(self, where: str) -> None:
        """Check dtypes, shapes, that there are images, and that labels name classes.

        Raises:
            UserError: one of these is wrong; `where` (a file or a source) starts the message.
        """
        images, labels, n = self.images, self.labels, len(self.labels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            problem = f"images must be uint8 [n, height, width, 3], not {_kind(images)}"
        elif labels.dtype != np.int64 or labels.ndim != 1:
            problem = f"labels must be int64 [n], not {_kind(labels)}"
        elif len(images) != n:
            problem = f"{len(images)} images have {n} labels"
        elif n == 0:
            problem = "there are no images"
        elif labels.min() < 0 or labels.max() >= len(self.classes):
            problem = (
                f"labels go from {labels.min()} to {labels.max()}, but the task has "
                f"{len(self.classes)} classes, so they must go from 0 to {len(self.classes) - 1}. "
                "Do the class names belong to this data set?"
            )
        else:
            return
        raise UserError(f"{where}, split {self.name}: {problem}")

    def image_hashes(self) -> list[bytes]:
        """Return the SHA-256 of each image's bytes."""
        return [hashlib.sha256(image.tobytes()).digest() for image in self.images]

    def sha256(self) -> str:
        """Return a digest of the images and labels that does not depend on their order.

        It is the SHA-256 of the image shape and the sorted SHA-256 digests of the rows, a row being
        an image's bytes and its label's eight (little-endian).
        """
        rows = sorted(
            hashlib.sha256(image.tobytes() + label.astype("<i8").tobytes()).digest()
            for image, label in zip(self.images, self.labels, strict=True)
        )
        shape = "x".join(map(str, self.images.shape[1:]))
        return hashlib.sha256(shape.encode() + b"".join(rows)).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the split to its file in the task's folder."""
        write_safetensors(
            split_path(folder, self.name),
            {"images": self.images, "labels": self.labels},
            {"task": self.task, "split": self.name, "classes": json.dumps(self.classes)},
        )


def split_path(folder: Path, split: str) -> Path:
    """Return the file of a split in the task's folder.

    Raises:
        UserError: there is no such split.
    """
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}: the splits are {', '.join(SPLITS)}.")
    return Path(folder) / f"{split}.safetensors"


def load_split(folder: Path, split: str) -> Split:
    """Read a split of a prepared data set; needs no torch.

    Args:
        folder: the task's folder, with `train`, `validation` and `test.safetensors`.
        split: which of them.

    Raises:
        UserError: the file is missing, cut short, or not what `prepare` writes.
    """
    path = split_path(folder, split)
    if not path.exists():
        raise UserError(
            f"{path} does not exist: the split {split!r} is missing. Run the step `datasets` for "
            f"this task, or check the folder."
        )
    arrays, metadata = read_safetensors(path, framework="np")
    if set(arrays) != {"images", "labels"} or not {"task", "split", "classes"} <= set(metadata):
        raise UserError(
            f"{path} is not a data set split (it needs images, labels and the metadata task, split "
            "and classes): delete it and run the step `datasets` again."
        )
    loaded = Split(
        task=metadata["task"],
        name=metadata["split"],
        images=arrays["images"],
        labels=arrays["labels"],
        classes=tuple(json.loads(metadata["classes"])),
    )
    if loaded.name != split:
        raise UserError(f"{path} holds the split {loaded.name!r}: was it renamed?")
    loaded.check(str(path))
    return loaded


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"
