"""Small copies of the nine data sets in exactly the formats that users have: hub and folders.

Both writers write the same pictures, so what is read from them must be equal: the same bytes where
the format on disk is JPEG, the same pixels where it is lossless (PNG, .ppm, .mat, idx). Beside the
official splits lies what also lies there in reality and must not be picked up: corrupted splits,
other lists, annotations without labels.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.recfunctions import repack_fields
from PIL import Image

from tangent.tasks.task_files import load_task

NINE = ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "sun397", "svhn", "imagenet")
HUB = {
    "cars": ("tanganke/stanford_cars", "data"),
    "dtd": ("tanganke/dtd", "data"),
    "eurosat": ("tanganke/eurosat", "data"),
    "gtsrb": ("tanganke/gtsrb", "data"),
    "mnist": ("ylecun/mnist", "mnist"),
    "resisc45": ("tanganke/resisc45", "data"),
    "sun397": ("tanganke/sun397", "data"),
    "svhn": ("ufldl-stanford/svhn", "cropped_digits"),
    "imagenet": ("ILSVRC/imagenet-1k", "data"),
}
CORRUPTED = ("contrast", "gaussian_noise", "impulse_noise", "jpeg_compression", "pixelate")
OTHER_SPLITS = {
    **dict.fromkeys(("cars", "eurosat", "gtsrb", "resisc45"), CORRUPTED),
    "svhn": ("extra",),
    "imagenet": ("test",),
}
# Height and width where the data set has one size (RESISC45 in reality 256 x 256).
FIXED_SIZES = {"mnist": (28, 28), "svhn": (32, 32), "eurosat": (64, 64), "resisc45": (48, 48)}
ROWS_PER_GROUP = 7


@dataclass(frozen=True)
class Picture:
    """One image: decoded pixels uint8 [h, w, 3], its class, its file's name and bytes.

    `data` are the bytes of the hub's file: JPEG, or PNG where the files on disk are no images.
    """

    pixels: np.ndarray
    label: int
    name: str
    data: bytes


_task = cache(load_task)


@cache
def pictures(task: str, split: str, n: int, seed: int = 0) -> list[Picture]:
    """The first n pictures of `train`, `validation` or `test`; row i is of class i modulo classes.

    They are all different. The first are the same whatever n is.
    """
    classes = len(_task(task).classes)
    made = []
    for row in range(n):
        rng = np.random.default_rng([seed, zlib.crc32(f"{task} {split}".encode()), row])
        label = row % classes
        image = _draw(rng, FIXED_SIZES.get(task) or rng.integers(20, 60, 2))
        # Some real photographs are grey; all digits of MNIST are.
        if task == "mnist" or (row % 7 == 3 and task not in ("svhn", "gtsrb")):
            image = image.convert("L")
        data = _encode(image, "PNG" if task in ("mnist", "svhn", "gtsrb") else "JPEG")
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        made.append(Picture(pixels, label, _file_name(task, split, row, label, classes), data))
    return made


@cache
def folder_names(task: str) -> list[str]:
    """The class folders' names (or the devkit's, the digits), in the order of the classes."""
    classes = _task(task).classes
    if task in ("eurosat", "gtsrb", "imagenet"):  # AnnualCrop, 00000, n01440764
        return [names[0] for names in _task(task).label_names]
    if task == "sun397":  # /c/church/indoor: c_church_indoor
        return [names[0][1:].replace("/", "_") for names in _task(task).label_names]
    return [name if task == "cars" else name.replace(" ", "_") for name in classes]


def hub_names(task: str) -> list[str]:
    """The names in the hub's ClassLabel, in the order of the classes."""
    if task == "imagenet":
        return [names for _, names in _task(task).label_names]
    return list(_task(task).classes)


def hub_entry(task: str, revision: str = "main") -> dict[str, str | None]:
    """The configuration's entry for the task's copy on the hub."""
    repository, folder = HUB[task]
    return {
        "source": "hub",
        "repository": repository,
        "revision": revision,
        "folder": folder,
        "train": "train",
        "validation": None,
        "test": "validation" if task == "imagenet" else "test",
    }


def write_hub(
    repository: Path, task: str, n_train: int, n_test: int, shards: int = 2, seed: int = 0
) -> Path:
    """Write the files of the task's hub repository; returns the folder `repository`."""
    folder = repository / HUB[task][1]
    folder.mkdir(parents=True)
    names = hub_names(task)
    splits = {"train": pictures(task, "train", n_train, seed)}
    splits["validation" if task == "imagenet" else "test"] = pictures(task, "test", n_test, seed)
    for other in OTHER_SPLITS.get(task, ()):
        splits[other] = pictures(task, other, 3, seed)
    for split, rows in splits.items():
        for number, part in enumerate(np.array_split(np.arange(len(rows)), shards)):
            file = folder / f"{split}-{number:05d}-of-{shards:05d}.parquet"
            write_parquet(file, [rows[row] for row in part], names, _path_of(task))
    (repository / "README.md").write_text(f"# {task}\n")
    return repository


def write_parquet(file: Path, rows: list[Picture], names: list[str], path_of=lambda p: p.name):
    """Write pictures as the library `datasets` does: a struct of bytes and path, and a label."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    image_type = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema(
        {"image": image_type, "label": pa.int64()},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    images = [{"bytes": picture.data, "path": path_of(picture)} for picture in rows]
    columns = {"image": images, "label": [picture.label for picture in rows]}
    pq.write_table(
        pa.Table.from_pydict(columns, schema), file, row_group_size=min(ROWS_PER_GROUP, len(rows))
    )


def write_folder(
    root: Path, task: str, n_train: int, n_test: int, n_validation: int = 10, seed: int = 0
) -> Path:
    """Write the task below `root` as earlier code bases expect it; returns its folder.

    Only EuroSAT has a validation folder of its own.
    """
    train, test = pictures(task, "train", n_train, seed), pictures(task, "test", n_test, seed)
    names = folder_names(task)
    if task == "mnist":
        return _write_idx(root / "MNIST" / "raw", {"train": train, "t10k": test})
    if task == "svhn":
        return _write_svhn(root / "svhn", {"train": train, "test": test})
    if task == "gtsrb":
        return _write_gtsrb(root / "gtsrb", names, train, test)
    if task == "cars":
        return _write_cars(root / "stanford_cars", names, {"train": train, "test": test})
    if task == "resisc45":
        splits = {"train": train, "test": test, "val": pictures(task, "val", 3, seed)}
        return _write_resisc45(root / task, names, splits)
    folder = root / ("EuroSAT_splits" if task == "eurosat" else task)
    splits = {"train": train, "test" if task == "eurosat" else "val": test}
    if task == "eurosat":
        splits["val"] = pictures(task, "validation", n_validation, seed)
    for split, rows in splits.items():
        write_class_folders(folder / split, names, rows)
    return folder


def write_class_folders(folder: Path, names: list[str], rows: list[Picture]) -> None:
    """Write a folder per class, all of them, with the files of its pictures."""
    for name in names:
        (folder / name).mkdir(parents=True)
    for picture in rows:
        (folder / names[picture.label] / picture.name).write_bytes(picture.data)


def _write_idx(folder: Path, splits: dict[str, list[Picture]]) -> Path:
    """MNIST; the training files stay packed, as they are downloaded."""
    folder.mkdir(parents=True)
    for split, rows in splits.items():
        images = np.stack([picture.pixels[..., 0] for picture in rows])
        labels = np.array([picture.label for picture in rows], np.uint8)
        header = struct.pack(">IIII", 0x803, *images.shape)
        files = {
            "images-idx3": header + images.tobytes(),
            "labels-idx1": struct.pack(">II", 0x801, len(labels)) + labels.tobytes(),
        }
        for kind, content in files.items():
            file = folder / f"{split}-{kind}-ubyte"
            if split == "train":
                file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(content))
            else:
                file.write_bytes(content)
    return folder


def _write_svhn(folder: Path, splits: dict[str, list[Picture]]) -> Path:
    from scipy.io import savemat

    folder.mkdir(parents=True)
    for split, rows in splits.items():
        images = np.stack([picture.pixels for picture in rows], axis=-1)
        labels = np.array([[picture.label or 10] for picture in rows], np.uint8)
        savemat(folder / f"{split}_32x32.mat", {"X": images, "y": labels}, do_compression=True)
    return folder


def _write_gtsrb(folder: Path, names: list[str], train: list[Picture], test: list[Picture]) -> Path:
    for name in names:
        (folder / "GTSRB" / "Training" / name).mkdir(parents=True)
        # Real class folders hold their own annotations too.
        (folder / "GTSRB" / "Training" / name / f"GT-{name}.csv").write_text("Filename;Width\n")
    for picture in train:
        file = folder / "GTSRB" / "Training" / names[picture.label] / picture.name
        Image.fromarray(picture.pixels).save(file)
    images = folder / "GTSRB" / "Final_Test" / "Images"
    images.mkdir(parents=True)
    with open(folder / "GT-final_test.csv", "w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(
            ["Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId"]
        )
        for picture in test:
            height, width = picture.pixels.shape[:2]
            Image.fromarray(picture.pixels).save(images / picture.name)
            box = [5, 5, width - 5, height - 5]
            writer.writerow([picture.name, width, height, *box, picture.label])
    return folder


def _write_cars(folder: Path, names: list[str], splits: dict[str, list[Picture]]) -> Path:
    from scipy.io import savemat

    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array([names], dtype=object)})
    boxes = [(f"bbox_{corner}", object) for corner in ("x1", "y1", "x2", "y2")]
    for split, rows in splits.items():
        (folder / f"cars_{split}").mkdir()
        fields = [*boxes, ("class", object), ("fname", object)]
        annotations = np.empty((1, len(rows)), dtype=fields)
        for row, picture in enumerate(rows):
            (folder / f"cars_{split}" / picture.name).write_bytes(picture.data)
            annotations[0, row] = (1, 1, 9, 9, picture.label + 1, picture.name)
        if split == "train":
            savemat(folder / "devkit" / "cars_train_annos.mat", {"annotations": annotations})
        else:
            savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": annotations})
            without = repack_fields(annotations[[name for name, _ in fields if name != "class"]])
            savemat(folder / "devkit" / "cars_test_annos.mat", {"annotations": without})
    return folder


def _write_resisc45(folder: Path, names: list[str], splits: dict[str, list[Picture]]) -> Path:
    for name in names:
        (folder / "NWPU-RESISC45" / name).mkdir(parents=True)
    for split, rows in splits.items():
        for picture in rows:
            file = folder / "NWPU-RESISC45" / names[picture.label] / picture.name
            file.write_bytes(picture.data)
        lines = [f"{picture.name}\n" for picture in rows]
        (folder / f"resisc45-{split}.txt").write_text("".join(lines))
    return folder


def _draw(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A blurred random pattern with some noise: compressible, and like no other."""
    height, width = (int(side) for side in size)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    noise = rng.integers(-12, 13, smooth.shape)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def _encode(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def _file_name(task: str, split: str, row: int, label: int, classes: int) -> str:
    """As the data set names its files; unique within it where it is so in reality."""
    within_class = row // classes
    name = folder_names(task)[label]
    offset = {"train": 0, "val": 300, "validation": 400, "test": 600}.get(split, 900)
    if task in ("mnist", "svhn"):
        return f"{row}.png"
    if task == "gtsrb":
        is_test = split == "test"
        return f"{row:05d}.ppm" if is_test else f"00000_{within_class:05d}.ppm"
    if task == "cars":
        return f"{row + 1:05d}.jpg"
    if task == "imagenet":
        # 1002, 10021, 10022: their order depends on what follows the number.
        number = f"1002{within_class or ''}"
        return f"{name}_{number}.JPEG" if split == "train" else f"ILSVRC2012_val_{row:08d}.JPEG"
    if task == "sun397":
        return f"sun_{zlib.crc32(f'{split} {row}'.encode()):08x}{row:07d}.jpg"
    digits = 4 if task == "dtd" else 3 if task == "resisc45" else 1
    return f"{name}_{within_class + offset + 1:0{digits}d}.jpg"


def _path_of(task: str):
    """The hub's `path` of a picture: none for digits; ImageNet's ends in its class once more."""
    if task in ("mnist", "svhn"):
        return lambda picture: None
    if task == "imagenet":
        wnids = folder_names(task)
        return lambda picture: picture.name.replace(".JPEG", f"_{wnids[picture.label]}.JPEG")
    return lambda picture: picture.name
