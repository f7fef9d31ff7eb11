"""Copies that torchvision.datasets downloads, checks and unpacks, read in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tangent.data.sources.layouts import listed
from tangent.data.sources.layouts.places import LAYOUTS, Layout
from tangent.data.sources.source import Absent, Sizes, Source, SourceData
from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.keys import Folder
from tangent.tasks.task_files import AnyTask, Task


@dataclass(frozen=True)
class Copy:
    """A class of torchvision.datasets, and the layout that it makes.

    Attributes:
        name: the class.
        subfolder: the class's root, below the configured one.
        splits: its arguments for each split.
        layout: where the files are, below the configured root.
        downloads: whether torchvision can still download it.
    """

    name: str
    subfolder: str
    splits: tuple[dict[str, Any], ...]
    layout: Layout
    downloads: bool = True


_TRAIN_TEST = ({"split": "train"}, {"split": "test"})
COPIES: Registry[Copy] = {
    "cars": Copy("StanfordCars", "", _TRAIN_TEST, LAYOUTS["cars"], downloads=False),
    "dtd": Copy(
        "DTD",
        "",
        tuple({"split": split, "partition": 1} for split in ("train", "val", "test")),
        Layout(
            {"images": ("dtd/dtd/images",), "labels": ("dtd/dtd/labels",)},
            listed.read_dtd_partition,
        ),
    ),
    "gtsrb": Copy("GTSRB", "", _TRAIN_TEST, LAYOUTS["gtsrb"]),
    "imagenet": Copy(
        "ImageNet",
        "imagenet",
        ({"split": "train"}, {"split": "val"}),
        LAYOUTS["imagenet"],
        downloads=False,
    ),
    "mnist": Copy("MNIST", "", ({"train": True}, {"train": False}), LAYOUTS["mnist"]),
    "svhn": Copy("SVHN", "svhn", _TRAIN_TEST, LAYOUTS["svhn"]),
}
REFUSED = {
    "eurosat": "torchvision's EuroSAT has 27,000 images and no splits",
    "resisc45": "torchvision has no RESISC45",
    "sun397": "torchvision's SUN397 has all 108,754 images and no splits",
}


class Torchvision(Source):
    """Files in torchvision's layout, which torchvision can download for some data sets."""

    source: Literal["torchvision"]
    """`torchvision`: torchvision's layout."""
    root: Folder
    """Folder that holds the data sets' own folders."""
    download: bool
    """Whether torchvision may download what is missing."""

    def locate(self, task: AnyTask, sizes: Sizes) -> dict[str, Any]:
        """Let torchvision find, and if asked for download, the data set below the root.

        torchvision compares what it downloads with known MD5 sums. SVHN goes to the folder `svhn`
        and ImageNet to `imagenet`, as in the folder layouts.
        """
        copy = _copy(task)
        base = Path(self.root).expanduser()
        from torchvision import datasets

        options = {"download": self.download} if copy.downloads else {}
        try:
            for split in copy.splits:
                getattr(datasets, copy.name)(base / copy.subfolder, **split, **options)
        except Exception as error:  # what urllib, tarfile, scipy and torchvision itself raise
            reason = f"torchvision.datasets.{copy.name}: {first_line(error)}"
            if copy.layout.found(base):
                raise UserError(
                    f"the copy of {task.name} below {base} is damaged or incomplete ({reason}): "
                    "delete what is there and run this again, or choose another source."
                ) from error
            raise Absent(f"{reason}. {_remedy(copy, base, self.download)}") from error
        places = copy.layout.places(base)
        return {"places": {name: str(path) for name, path in places.items()}}

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Open what `locate` found; needs no torchvision."""
        return _copy(task).layout.open_copy(details)


def _copy(task: Task) -> Copy:
    if task.name in COPIES:
        return COPIES[task.name]
    reason = REFUSED.get(task.name, f"torchvision has no {task.name}")
    raise UserError(
        f"datasets.{task.name}.sources: the source torchvision cannot serve this task: {reason}, "
        "so the protocol's splits cannot be had from it. Choose hub or folder."
    )


def _remedy(copy: Copy, base: Path, download: bool) -> str:
    if copy.name == "ImageNet":
        return (
            f"Put ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_train.tar and "
            f"ILSVRC2012_img_val.tar into {base / copy.subfolder}"
        )
    if not copy.downloads:
        return f"torchvision cannot download it any more: put it below {base} by hand"
    return "Check the network" if download else "Set download to true"
