"""Image files in one folder per class, as torchvision's ImageFolder has them, or named by lists."""

import csv
import io
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tangent.data.sources.source import FileRows, SourceData
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_regular
from tangent.tasks.task_files import first_of

logger = logging.getLogger("tangent")

FOREIGN = {
    *("__MACOSX", "lost+found", "$RECYCLE.BIN", "System Volume Information"),
    *("@eaDir", "#recycle", "#snapshot", "@tmp", "@Recycle", "@Recently-Snapshot"),
}
"""Folders that archives, NAS boxes and file systems leave among those of a data set."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def read_class_folders(places: Mapping[str, Path]) -> SourceData:
    """Read `train`, `test` and, if it is there, `validation`: folders of class folders."""
    splits = {split: list_folder(folder) for split, folder in places.items()}
    classes = splits["train"][1]
    for split, (_, names) in splits.items():
        for lacking, having, only in (
            (split, "train", set(classes) - set(names)),
            ("train", split, set(names) - set(classes)),
        ):
            if only:
                raise UserError(
                    f"{places[lacking]} lacks class folders that {places[having]} has: "
                    f"{first_of(sorted(only))}. Every split needs a folder for every class."
                )
    return SourceData.of({split: rows for split, (rows, _) in splits.items()}, classes)


def list_folder(
    folder: Path, suffixes: tuple[str, ...] = SUFFIXES
) -> tuple[FileRows, tuple[str, ...]]:
    """List the images of a folder of class folders, and its `class_names`, which are the classes.

    Images are sorted by class, then by path; hidden files and files of other suffixes (in lower
    case) do not count.
    """
    names = class_names(folder)
    found = [
        (os.path.join(place, file), label)
        for label, name in enumerate(names)
        for place, files in sorted(_walk(folder / name))
        for file in sorted(files)
        if file.lower().endswith(suffixes) and file[0] != "."
    ]
    return FileRows([path for path, _ in found], [label for _, label in found]), names


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the class folders in a folder, sorted; a `UserError` if there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: put the data set's class folders there.")
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    names = _without_foreign(folder, found)
    if not names:
        raise UserError(f"{folder} holds no class folders: unpack the data set there.")
    return tuple(names)


def _walk(top: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder in `top`, with links followed, and its files; `UserError` for a circle."""
    for place, folders, files in os.walk(top, followlinks=True):
        for link in filter(Path.is_symlink, (Path(place, name) for name in folders)):
            target = link.resolve()
            if any(parent.resolve().is_relative_to(target) for parent in link.parents):
                raise UserError(f"{link} is a link to a folder that holds it: remove the link.")
        folders[:] = _without_foreign(place, folders)
        yield place, files


def _without_foreign(place: Path | str, folders: Sequence[str]) -> list[str]:
    if found := sorted(FOREIGN.intersection(folders)):
        logger.warning("%s: left out %s, which other programs put there", place, ", ".join(found))
    return sorted(set(folders) - FOREIGN)


def read_lines(file: Path) -> list[str]:
    """Lines of a text file, without empty ones; a `UserError` if it cannot be read as text."""
    try:
        lines = read_regular(file).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read ({error}): restore it.") from error
    return [line.strip() for line in lines if line.strip()]


def listed_rows(
    list_file: Path, images: Path, files: Sequence[tuple[str, str]], classes: Sequence[str]
) -> FileRows:
    """Rows for files that a list names: of each the class, a folder in `images`, and its name.

    A class or file that is not there is a `UserError`.
    """
    number = {name: label for label, name in enumerate(classes)}
    for name in dict.fromkeys(name for name, _ in files):
        if name not in number:
            raise UserError(f"{list_file} names the class {name}, but {images / name} is missing.")
        check_files(list_file, images / name, [file for of, file in files if of == name])
    paths = [os.path.join(images, name, file) for name, file in files]
    return FileRows(paths, [number[name] for name, _ in files])


def check_files(list_file: Path, folder: Path, names: Sequence[str]) -> None:
    """Answer a file that a list names, but a folder does not hold, with a `UserError`."""
    try:
        there = set(os.listdir(folder))
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}): restore it.") from error
    missing = [name for name in names if name not in there]
    if missing:
        raise UserError(
            f"{list_file} names {len(missing)} images that are not in {folder}, such as "
            f"{missing[0]}: complete the folder."
        )


def read_dtd(places: Mapping[str, Path]) -> SourceData:
    """DTD in class folders: `train` and `test`, or with `official_test` the archive's three parts.

    The earlier code bases put both training parts into `train` and the test images into `val`.
    Where there is a third folder, `val` is the official validation part and belongs to training.
    """
    if "official_test" not in places:
        return read_class_folders(places)
    names = {"train": "train", "validation": "test", "test": "official_test"}
    data = read_class_folders({split: places[name] for split, name in names.items()})
    return SourceData(_together(data.train, data.validation), None, data.test, data.classes)


def read_dtd_partition(places: Mapping[str, Path]) -> SourceData:
    """DTD in torchvision's layout: `images` (class folders), `labels` (lists of partitions)."""
    classes = class_names(places["images"])
    parts = []
    for part in ("train", "val", "test"):
        file = places["labels"] / f"{part}1.txt"
        files = [line.partition("/")[::2] for line in read_lines(file)]
        parts.append(listed_rows(file, places["images"], files, classes))
    train, validation, test = parts
    return SourceData(_together(train, validation), None, test, classes)


def _together(first: FileRows, second: FileRows) -> FileRows:
    return FileRows([*first.paths, *second.paths], np.concatenate([first.labels, second.labels]))


def read_resisc45(places: Mapping[str, Path]) -> SourceData:
    """RESISC45: `images` (class folders) by the lists `train` and `test`, lines CLASS_NNN.jpg.

    The protocol does not use the official validation list. Rows are sorted by class and name, as
    the earlier code bases have them.
    """
    classes = class_names(places["images"])
    splits = {}
    for split in ("train", "test"):
        files = sorted((name.rpartition("_")[0], name) for name in read_lines(places[split]))
        splits[split] = listed_rows(places[split], places["images"], files, classes)
    return SourceData.of(splits, classes)


def read_gtsrb(places: Mapping[str, Path]) -> SourceData:
    """GTSRB: `train` (folders 00000 to 00042), `test` (images) and `annotations` (its table)."""
    train, classes = list_folder(places["train"], (".ppm",))
    names, numbers = _read_annotations(places["annotations"])
    labels = []
    for number in numbers:
        folder = f"{number:05d}"
        if folder not in classes:
            raise UserError(
                f"{places['annotations']} has test images of class {number}, but "
                f"{places['train'] / folder} is missing: complete the training images."
            )
        labels.append(classes.index(folder))
    check_files(places["annotations"], places["test"], names)
    paths = [os.path.join(places["test"], name) for name in names]
    return SourceData(train, None, FileRows(paths, labels), classes)


def read_table(
    file: Path, columns: Sequence[str], hint: str, separator: str = ","
) -> list[dict[str, str]]:
    """Rows of a table whose first line names its columns.

    A table that lacks one of the `columns`, or a row a value there, is a `UserError`; `hint` is
    what it says of columns.
    """
    try:
        content = io.StringIO(read_regular(file).decode("utf-8-sig", "replace"), newline="")
        reader = csv.DictReader(content, delimiter=separator, skipinitialspace=True)
        there, rows = reader.fieldnames or [], list(reader)
    except (OSError, csv.Error) as error:
        raise UserError(f"{file} cannot be read ({error}): restore it.") from error
    if not set(columns) <= set(there):
        raise UserError(
            f"{file} must have the columns {' and '.join(columns)} (separated by {separator!r}); "
            f"it has {', '.join(there) or 'none'}. {hint}"
        )
    for number, row in enumerate(rows, start=2):
        for column in columns:
            if not row[column]:
                raise UserError(f"{file}, line {number} has no {column}: complete it.")
    return rows


def _read_annotations(file: Path) -> tuple[list[str], list[int]]:
    """File names and class numbers of GTSRB's table."""
    hint = "GT-final_test.csv is the table with classes."
    rows = read_table(file, ("Filename", "ClassId"), hint, ";")
    for number, row in enumerate(rows, start=2):
        if not row["ClassId"].isdecimal():
            raise UserError(
                f"{file}, line {number}: a class number is needed; restore this file from "
                "GTSRB_Final_Test_GT.zip."
            )
    return [row["Filename"] for row in rows], [int(row["ClassId"]) for row in rows]
