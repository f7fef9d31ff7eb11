"""Copies on disk in the layouts of the earlier code bases: where each data set is below a root."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tangent.data.sources import image_files, packed_files
from tangent.data.sources.source import Absent, Sizes, Source, SourceData
from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError
from tangent.jobs.keys import Folder
from tangent.tasks.task_files import AnyTask


class Layout:
    """A layout of one data set on disk.

    Args:
        read: opens the parts, given their paths.
        optional: a part that need not be there.
        parts: each part's place below the root, or several: the first that is there is taken.
    """

    def __init__(
        self,
        read: Callable[[Mapping[str, Path]], SourceData],
        optional: str | None = None,
        **parts: str | tuple[str, ...],
    ) -> None:
        self.read, self.optional = read, optional
        self.parts = {part: (at,) if isinstance(at, str) else at for part, at in parts.items()}

    def found(self, root: Path) -> dict[str, str]:
        """The paths of the parts that are there."""
        return {
            part: str(root / place)
            for part, alternatives in self.parts.items()
            for place in reversed(alternatives)
            if (root / place).exists()
        }

    def locate(self, root: Path) -> dict[str, dict[str, str]]:
        """The `places` of all parts.

        Raises:
            Absent: none of them is there.
            UserError: some are missing.
        """
        found = self.found(root)
        required = [part for part in self.parts if part != self.optional]
        missing = [self.parts[part][0] for part in required if part not in found]
        if not set(found) & set(required):
            raise Absent(f"{root} has none of {', '.join(missing)}: put the data set there")
        if missing:
            raise UserError(
                f"{root} has only a part of the data set: beside {next(iter(found.values()))}, "
                f"these are missing: {', '.join(missing)}. Complete it, or move it out of the way."
            )
        return {"places": found}

    def open_copy(self, details: Mapping[str, Any]) -> SourceData:
        """Read the parts from the `places` that `locate` found."""
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
        packed_files.read_cars,
        train="stanford_cars/cars_train",
        test="stanford_cars/cars_test",
        train_annotations="stanford_cars/devkit/cars_train_annos.mat",
        test_annotations=(
            "stanford_cars/cars_test_annos_withlabels.mat",
            "stanford_cars/devkit/cars_test_annos_withlabels.mat",
        ),
        names="stanford_cars/devkit/cars_meta.mat",
    ),
    "dtd": Layout(
        image_files.read_dtd,
        optional="official_test",
        train="dtd/train",
        test="dtd/val",
        official_test="dtd/test",
    ),
    "eurosat": Layout(
        image_files.read_class_folders,
        optional="validation",
        train="EuroSAT_splits/train",
        validation="EuroSAT_splits/val",
        test="EuroSAT_splits/test",
    ),
    "fashion_mnist": Layout(packed_files.read_mnist, **_idx("fashion-mnist")),
    "gtsrb": Layout(
        image_files.read_gtsrb,
        train="gtsrb/GTSRB/Training",
        test="gtsrb/GTSRB/Final_Test/Images",
        annotations="gtsrb/GT-final_test.csv",
    ),
    "imagenet": Layout(
        image_files.read_class_folders,
        train="imagenet/train",
        test=("imagenet/val_in_folder", "imagenet/val"),
    ),
    "mnist": Layout(
        partial(packed_files.read_mnist, classes=tuple("0123456789")), **_idx("MNIST/raw")
    ),
    "resisc45": Layout(
        image_files.read_resisc45,
        images="resisc45/NWPU-RESISC45",
        train="resisc45/resisc45-train.txt",
        test="resisc45/resisc45-test.txt",
    ),
    "sun397": Layout(image_files.read_class_folders, train="sun397/train", test="sun397/val"),
    "svhn": Layout(
        packed_files.read_svhn, train="svhn/train_32x32.mat", test="svhn/test_32x32.mat"
    ),
}


class LayoutFolder(Source):
    """Files on this machine, in the layout that earlier code bases use (docs/datasets.md)."""

    source: Literal["folder"]
    """`folder`: a folder of this machine."""
    root: Folder
    """Folder that holds the data sets' own folders."""

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Find the task's files below the root, where the task's layout has them."""
        if task.name not in LAYOUTS:
            raise UserError(
                f"the task {task.name} has no folder layout; those that have one: "
                f"{', '.join(sorted(LAYOUTS))}. Choose another source."
            )
        layout, base = LAYOUTS[task.name], Path(self.root).expanduser()
        details = layout.locate(base)
        lacks_validation = "validation" in layout.parts.keys() - details["places"].keys()
        if sizes.validation is not None and lacks_validation:
            raise UserError(
                f"{base} has no {layout.parts['validation'][0]}, but datasets.{task.name}."
                f"validation_images says {sizes.validation}. Complete the copy, or set that key to "
                "null: then a validation split is cut from the training images."
            )
        return details

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        return LAYOUTS[task.name].open_copy(details)
