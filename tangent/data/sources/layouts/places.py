"""Places of data sets below the data folder of earlier code bases, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tangent.data.sources.layouts import class_folders, listed, mat, mnist
from tangent.data.sources.source import Absent, SourceData
from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError


@dataclass(frozen=True)
class Layout:
    """A layout of one data set on disk.

    Attributes:
        parts: each part's places below the root; the first that is there is taken.
        read: opens the parts, given their paths.
        optional: names of parts that need not be there.
    """

    parts: Mapping[str, tuple[str, ...]]
    read: Callable[[Mapping[str, Path]], SourceData]
    optional: frozenset[str] = frozenset()

    def found(self, root: Path) -> dict[str, Path]:
        """The parts that are there."""
        places = {
            part: next((root / place for place in alternatives if (root / place).exists()), None)
            for part, alternatives in self.parts.items()
        }
        return {part: path for part, path in places.items() if path is not None}

    def places(self, root: Path) -> dict[str, Path]:
        """The path of every part.

        Raises:
            Absent: none of them is there.
            UserError: some are missing.
        """
        found = self.found(root)
        required = [part for part in self.parts if part not in self.optional]
        missing = [self.parts[part][0] for part in required if part not in found]
        if not set(found) & set(required):
            raise Absent(f"{root} has none of {', '.join(missing)}: put the data set there")
        if missing:
            raise UserError(
                f"{root} has only a part of the data set: beside {next(iter(found.values()))}, "
                f"these are missing: {', '.join(missing)}. Complete it, or move it out of the way."
            )
        return found

    def open_copy(self, details: Mapping[str, Any]) -> SourceData:
        """Read the parts from the `places` that a source located."""
        return self.read({part: Path(path) for part, path in details["places"].items()})


def _idx(folder: str) -> dict[str, tuple[str, ...]]:
    return {
        f"{split}_{what}": tuple(
            f"{folder}/{name}-{what}-idx{dimensions}-ubyte{ending}" for ending in ("", ".gz")
        )
        for split, name in (("train", "train"), ("test", "t10k"))
        for what, dimensions in (("images", 3), ("labels", 1))
    }


LAYOUTS: Registry[Layout] = {
    "cars": Layout(
        {
            "train": ("stanford_cars/cars_train",),
            "test": ("stanford_cars/cars_test",),
            "train_annotations": ("stanford_cars/devkit/cars_train_annos.mat",),
            "test_annotations": (
                "stanford_cars/cars_test_annos_withlabels.mat",
                "stanford_cars/devkit/cars_test_annos_withlabels.mat",
            ),
            "names": ("stanford_cars/devkit/cars_meta.mat",),
        },
        mat.read_cars,
    ),
    "dtd": Layout(
        {"train": ("dtd/train",), "test": ("dtd/val",), "official_test": ("dtd/test",)},
        listed.read_dtd,
        optional=frozenset({"official_test"}),
    ),
    "eurosat": Layout(
        {
            "train": ("EuroSAT_splits/train",),
            "validation": ("EuroSAT_splits/val",),
            "test": ("EuroSAT_splits/test",),
        },
        class_folders.read,
        optional=frozenset({"validation"}),
    ),
    "fashion_mnist": Layout(_idx("fashion-mnist"), mnist.read_unnamed),
    "gtsrb": Layout(
        {
            "train": ("gtsrb/GTSRB/Training",),
            "test": ("gtsrb/GTSRB/Final_Test/Images",),
            "annotations": ("gtsrb/GT-final_test.csv",),
        },
        listed.read_gtsrb,
    ),
    "imagenet": Layout(
        {"train": ("imagenet/train",), "test": ("imagenet/val_in_folder", "imagenet/val")},
        class_folders.read,
    ),
    "mnist": Layout(_idx("MNIST/raw"), mnist.read),
    "resisc45": Layout(
        {
            "images": ("resisc45/NWPU-RESISC45",),
            "train": ("resisc45/resisc45-train.txt",),
            "test": ("resisc45/resisc45-test.txt",),
        },
        listed.read_resisc45,
    ),
    "sun397": Layout({"train": ("sun397/train",), "test": ("sun397/val",)}, class_folders.read),
    "svhn": Layout(
        {"train": ("svhn/train_32x32.mat",), "test": ("svhn/test_32x32.mat",)}, mat.read_svhn
    ),
}
