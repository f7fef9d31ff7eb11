"""Images that a list or an annotation file names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tangent.data.sources.rows import FileRows
from tangent.jobs.errors import UserError


def read_lines(file: Path) -> list[str]:
    """Lines of a text file, without empty ones.

    Raises:
        UserError: it cannot be read as text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read ({error}): restore it.") from error
    return [line.strip() for line in lines if line.strip()]


def listed_rows(
    list_file: Path, images: Path, files: Sequence[tuple[str, str]], classes: Sequence[str]
) -> FileRows:
    """Rows for files in class folders that a list names.

    Args:
        list_file: the list, for messages.
        images: the folder of the class folders.
        files: class and file name of each image.
        classes: class folders in the order of the labels.

    Raises:
        UserError: the list names a class or a file that is not there.
    """
    number = {name: label for label, name in enumerate(classes)}
    for name in dict.fromkeys(name for name, _ in files):
        if name not in number:
            raise UserError(f"{list_file} names the class {name}, but {images / name} is missing.")
        check_files(list_file, images / name, [file for of, file in files if of == name])
    paths = [os.path.join(images, name, file) for name, file in files]
    return FileRows(paths, [number[name] for name, _ in files])


def check_files(list_file: Path, folder: Path, names: Sequence[str]) -> None:
    """Check that a folder holds all the files that a list names.

    Raises:
        UserError: one is missing.
    """
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
