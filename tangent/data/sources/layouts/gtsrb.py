"""GTSRB: training images (.ppm) in class folders, test images in one folder with a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from tangent.data.sources.layouts.class_folders import list_folder
from tangent.data.sources.layouts.listed import check_files
from tangent.data.sources.rows import FileRows
from tangent.data.sources.source import SourceData
from tangent.jobs.errors import UserError


def read(places: Mapping[str, Path]) -> SourceData:
    """Read `train` (folders 00000 to 00042), `test` (images) and `annotations` (its table)."""
    train, classes = list_folder(places["train"], (".ppm",))
    names, numbers = _read_table(places["annotations"])
    label = {name: number for number, name in enumerate(classes)}
    folders = [f"{number:05d}" for number in numbers]
    for folder in dict.fromkeys(folders):
        if folder not in label:
            raise UserError(
                f"{places['annotations']} has test images of class {int(folder)}, but "
                f"{places['train'] / folder} is missing: complete the training images."
            )
    check_files(places["annotations"], places["test"], names)
    paths = [os.path.join(places["test"], name) for name in names]
    test = FileRows(paths, [label[folder] for folder in folders])
    return SourceData(train, None, test, classes)


def _read_table(file: Path) -> tuple[list[str], list[int]]:
    """File names and class numbers of a table that is separated by semicolons."""
    try:
        with open(file, newline="", encoding="utf-8", errors="replace") as content:
            reader = csv.DictReader(content, delimiter=";", skipinitialspace=True)
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, csv.Error) as error:
        raise UserError(f"{file} cannot be read ({error}): restore it.") from error
    if not {"Filename", "ClassId"} <= set(columns):
        raise UserError(
            f"{file} must have the columns Filename and ClassId (separated by semicolons); it "
            f"has {', '.join(columns) or 'none'}. GT-final_test.csv is the table with classes."
        )
    for number, row in enumerate(rows, start=2):
        if not row["Filename"] or not (row["ClassId"] or "").isdecimal():
            raise UserError(
                f"{file}, line {number}: a file name and a class number are needed; restore this "
                "file from GTSRB_Final_Test_GT.zip."
            )
    return [row["Filename"] for row in rows], [int(row["ClassId"]) for row in rows]
