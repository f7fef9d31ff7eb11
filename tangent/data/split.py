"""One split of a prepared data set: its file, mapped into memory and read row by row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tangent.data.preprocess import check_geometry
from tangent.jobs.errors import UserError
from tangent.jobs.files import map_safetensors

SPLITS = ("train", "validation", "test")
_OF_ALL = {"labels", "hashes"}
_METADATA = {"task", "split", "classes", "geometry", "content_sha256"}


@dataclass(frozen=True)
class PreparedSplit:
    """Examples of one split and their labels.

    Attributes:
        task: name of the task.
        name: `train` (without the validation examples), `validation` or `test`.
        classes: class names, of texts the answers, in the order of the labels.
        geometry: what the model's preprocessing must have too: `tangent.data.preprocess.geometry`
            of images, the lengths L of a prompt and T of an answer of texts.
        content: digest of the original examples and labels (`tangent.data.examined`).
        labels: int64 [n], indices into `classes`.
        hashes: row digests, uint8 [n, 32].
    """

    task: str
    name: str
    classes: tuple[str, ...]
    geometry: dict[str, Any]
    content: str
    labels: np.ndarray
    hashes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Split(PreparedSplit):
    """Images of one split; an image is read from disk when it is asked for.

    Validation and test images are what open_clip's evaluation preprocessing makes of the originals.
    Training images are regions of the originals (`tangent.data.regions`), of many sizes.

    Attributes:
        sizes: stored heights and widths, int64 [n, 2].
        originals: heights and widths of the original images, int64 [n, 2]; only of `train`.
        pixels: all images in a row, uint8.
        offsets: where each image begins in `pixels`, int64 [n].
    """

    sizes: np.ndarray
    originals: np.ndarray | None
    pixels: np.ndarray
    offsets: np.ndarray

    kind: ClassVar[str] = "image"
    # By split the sets of tensors that its file may hold beside those of all kinds.
    tensors: ClassVar = dict.fromkeys(SPLITS, [{"images"}]) | {
        "train": [{"images", "originals"}, {"pixels", "offsets", "sizes", "originals"}]
    }

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read some images, uint8 [rows, height, width, 3].

        Height and width are the largest ones of the whole split. Smaller images lie in the upper
        left corner; the rest is black.
        """
        height, width = self.sizes.max(axis=0)
        images = np.zeros((len(rows), height, width, 3), np.uint8)
        for image, row in zip(images, rows, strict=True):
            height, width = self.sizes[row]
            start = self.offsets[row]
            pixels = self.pixels[start : start + height * width * 3]
            image[:height, :width] = pixels.reshape(height, width, 3)
        return images

    @staticmethod
    def fields(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
        """The fields of this class, of a file's arrays."""
        found = {name: np.asarray(array) for name, array in arrays.items() if name != "images"}
        found.setdefault("originals", None)
        if "images" in arrays:
            n, height, width, _ = arrays["images"].shape
            found["sizes"] = np.broadcast_to([height, width], (n, 2))
            found["pixels"] = arrays["images"].reshape(-1)
            found["offsets"] = np.arange(n) * (height * width * 3)
        return found


@dataclass(frozen=True)
class TokenSplit(PreparedSplit):
    """Texts of one split.

    Attributes:
        tokens: int64 [n, L + C·T]: the prompt, then the C candidate answers, each padded.
    """

    tokens: np.ndarray

    kind: ClassVar[str] = "text"
    tensors: ClassVar = dict.fromkeys(SPLITS, [{"tokens"}])
    fields = dict

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read some rows of `tokens`, int64 [rows, L + C·T]."""
        return np.ascontiguousarray(self.tokens[rows])


AnySplit = Split | TokenSplit


def split_path(folder: Path, split: str) -> Path:
    """The file of a split in the task's folder; a `UserError` if there is no such split."""
    if split not in SPLITS:
        raise UserError(f"unknown split {split!r}: the splits are {', '.join(SPLITS)}.")
    return Path(folder) / f"{split}.safetensors"


def load_split(folder: Path, split: str, preprocess: Mapping[str, Any] | None = None) -> AnySplit:
    """Open a split of a prepared data set; needs no torch, and reads no example.

    Args:
        folder: the task's folder, with `train`, `validation` and `test.safetensors`.
        split: which of them.
        preprocess: `tangent.models.preprocess_config` of the model that is to see the examples.

    Raises:
        UserError: the file is missing, cut short, not what `prepare` writes, or prepared for models
            of another preprocessing.
    """
    path = split_path(folder, split)
    if not path.exists():
        raise UserError(
            f"{path} does not exist: the split {split!r} is missing. Run the step `datasets` for "
            "this task, or check the folder."
        )
    arrays, metadata = map_safetensors(path)
    # The metadata of images have no key `kind`.
    kind = {"image": Split, "text": TokenSplit}.get(metadata.get("kind", Split.kind))
    is_split = kind and metadata.keys() >= _METADATA and metadata["split"] == split
    is_whole = is_split and arrays.keys() >= _OF_ALL
    if not is_whole or arrays.keys() - _OF_ALL not in kind.tensors[split]:
        raise UserError(
            f"{path} is not the {split} split of a prepared data set, or one of another version: "
            "delete it and run the step `datasets` again."
        )
    labels, hashes = np.array(arrays.pop("labels")), arrays.pop("hashes")
    classes = json.loads(metadata["classes"])
    if labels.min() < 0 or labels.max() >= len(classes):
        raise UserError(
            f"{path}: labels go from {labels.min()} to {labels.max()}, but there are "
            f"{len(classes)} classes: delete it and run the step `datasets` again."
        )
    geometry = json.loads(metadata["geometry"])
    if preprocess is not None:
        check_geometry(geometry, preprocess, path)
    return kind(
        task=metadata["task"],
        name=split,
        classes=tuple(classes),
        geometry=geometry,
        content=metadata["content_sha256"],
        labels=labels,
        hashes=hashes,
        **kind.fields(arrays),
    )


def sample_rows(n: int, images: int, seed: int) -> np.ndarray:
    """The first `images` of a seeded permutation of a split's `n` images; all of them if fewer.

    One seed gives one sample in every mode, so that modes are compared on the same images: indices
    int64 [min(n, images)] in the order drawn.
    """
    # RandomState and not default_rng: numpy promises that its streams never change.
    return np.random.RandomState(seed).permutation(n)[:images]
