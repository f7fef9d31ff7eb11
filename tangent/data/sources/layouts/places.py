"""Where the earlier code bases have each data set below their data folder, as data."""

from tangent.data.sources.layouts import (
    class_folders,
    dtd,
    gtsrb,
    mnist,
    resisc45,
    stanford_cars,
    svhn,
)
from tangent.data.sources.layouts.layout import Layout


def _idx(folder: str) -> dict[str, tuple[str, ...]]:
    return {
        f"{split}_{what}": tuple(
            f"{folder}/{name}-{what}-idx{dimensions}-ubyte{ending}" for ending in ("", ".gz")
        )
        for split, name in (("train", "train"), ("test", "t10k"))
        for what, dimensions in (("images", 3), ("labels", 1))
    }


LAYOUTS = {
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
        stanford_cars.read,
    ),
    "dtd": Layout(
        {"train": ("dtd/train",), "test": ("dtd/val",), "official_test": ("dtd/test",)},
        dtd.read,
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
        gtsrb.read,
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
        resisc45.read,
    ),
    "sun397": Layout({"train": ("sun397/train",), "test": ("sun397/val",)}, class_folders.read),
    "svhn": Layout(
        {"train": ("svhn/train_32x32.mat",), "test": ("svhn/test_32x32.mat",)}, svhn.read
    ),
}
