"""Copies that torchvision.datasets downloads, checks and unpacks, read in place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tangent.data.sources import image_files
from tangent.data.sources.folder import LAYOUTS, Layout
from tangent.data.sources.source import Absent, Sizes, Source, SourceData
from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError, first_line
from tangent.jobs.keys import Folder
from tangent.tasks.task_files import AnyTask


class Copy(NamedTuple):
    """A class of torchvision.datasets, and the layout that it makes.

    Attributes:
        name: the class.
        layout: where the files are, below the configured root.
        splits: the class's arguments for each split.
        subfolder: the class's root, below the configured one.
        by_hand: what to do where torchvision cannot download it; `{root}` is the configured one.
    """

    name: str
    layout: Layout
    splits: tuple[dict[str, Any], ...] = ({"split": "train"}, {"split": "test"})
    subfolder: str = ""
    by_hand: str = ""


_DTD_SPLITS = tuple({"split": split, "partition": 1} for split in ("train", "val", "test"))
COPIES: Registry[Copy] = {
    "cars": Copy(
        "StanfordCars",
        LAYOUTS["cars"],
        by_hand="torchvision cannot download it any more: put it below {root} by hand",
    ),
    "dtd": Copy(
        "DTD",
        Layout(image_files.read_dtd_partition, images="dtd/dtd/images", labels="dtd/dtd/labels"),
        _DTD_SPLITS,
    ),
    "gtsrb": Copy("GTSRB", LAYOUTS["gtsrb"]),
    "imagenet": Copy(
        "ImageNet",
        LAYOUTS["imagenet"],
        ({"split": "train"}, {"split": "val"}),
        "imagenet",
        by_hand="Put ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar into {root}/imagenet",
    ),
    "mnist": Copy("MNIST", LAYOUTS["mnist"], ({"train": True}, {"train": False})),
    "svhn": Copy("SVHN", LAYOUTS["svhn"], subfolder="svhn"),
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
        if task.name not in COPIES:
            reason = REFUSED.get(task.name, f"torchvision has no {task.name}")
            raise UserError(
                f"datasets.{task.name}.sources: the source torchvision cannot serve this task: "
                f"{reason}, so the protocol's splits cannot be had from it. Choose hub or folder."
            )
        from torchvision import datasets

        copy, base = COPIES[task.name], Path(self.root).expanduser()
        options = {} if copy.by_hand else {"download": self.download}
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
            remedy = "Check the network" if self.download else "Set download to true"
            raise Absent(f"{reason}. {copy.by_hand.format(root=base) or remedy}") from error
        return copy.layout.locate(base)

    def open_copy(self, task: AnyTask, sizes: Sizes, details: Mapping[str, Any]) -> SourceData:
        """Open what `locate` found; needs no torchvision."""
        return COPIES[task.name].layout.open_copy(details)
