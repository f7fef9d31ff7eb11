"""Reading and writing results: writes are atomic, reads say what is wrong with a bad file."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch

MAPPED_TYPES = {"U8": "u1", "I64": "<i8"}
"""Types of a safetensors file that `map_safetensors` maps, and numpy's names for them."""

_written: dict[str, None] = {}  # a set that keeps the order


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success its file replaces `path` in one rename.

    A killed or failing writer leaves the old file as it was. The data reach the disk (fsync) before
    the rename, so a power cut cannot leave an empty file under the final name. It lies in a folder
    of this user's alone, so that others who may write beside it cannot put a link in its place.

    Raises:
        UserError: the folder cannot be created or written, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            folder = tempfile.mkdtemp(_TEMPORARY, f".{path.name}.", path.parent)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            descriptor = stack.enter_context(private_folder(folder))
            if os.path.exists(opened := f"/proc/self/fd/{descriptor}"):
                folder = opened  # the same one, whatever others rename
            temporary = Path(folder, path.name)
            temporary.touch()
            yield temporary
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            # Some writers make files private; results are to be read by the whole group.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        note_written([path])
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def private_folder(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a folder that this user alone writes, for its descriptor.

    Raises:
        OSError: it cannot be opened, is a link, or is one that others own or may write.
    """
    descriptor = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "others may write there")
        yield descriptor
    finally:
        os.close(descriptor)


def note_written(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Remember files that this process wrote otherwise than through `atomic_path`."""
    _written.update(dict.fromkeys(map(str, paths)))


def written() -> list[str]:
    """The files that this process wrote and that are still there, in the order first written."""
    return [path for path in _written if os.path.exists(path)]


_TEMPORARY = ".tangent.tmp"
_REMAINS = re.compile(rf"\..+\.[a-z0-9_]{{8}}{re.escape(_TEMPORARY)}")


def remove_remains(folder: Path) -> None:
    """Remove the temporary folders that killed writers left below a folder, which nobody writes.

    Those that this user may not remove stay.
    """
    for place, names, _ in os.walk(folder):
        for name in filter(_REMAINS.fullmatch, names):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


def check_writable(folder: Path) -> None:
    """Make a folder and check that a file can be written there.

    Raises:
        UserError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise cannot_write(folder, error) from error


def cannot_write(path: Path, error: Exception) -> UserError:
    """What to tell a user whose disk is full or whose folder is read-only."""
    cause = getattr(error, "strerror", None) or error
    return UserError(
        f"cannot write {path}: {cause}. Free some space or make the folder "
        "writable (config keys paths.results and paths.resources say where results go)."
    )


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as indented JSON. NaN and infinities are refused: a result is a number."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or not valid JSON.
    """
    broken = json.JSONDecodeError, UnicodeDecodeError
    with _reading(path, "valid JSON", *broken), open(path, encoding="utf-8") as file:
        return json.load(file)


def read_record(path: Path, **expected: Any) -> dict[str, Any]:
    """Read a result and check that it is about what is `expected` (model, mode, task, seed, ...).

    Raises:
        UserError: the file is missing, unreadable, or about something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a result: delete it and run the step that makes it again.")
    for key, value in expected.items():
        if content.get(key) != value:
            raise UserError(
                f"{path} is the result of {key} {content.get(key)!r}, not {value!r}: give the file "
                "that belongs to this step."
            )
    return content


def read_choice(path: Path, key: str, **expected: Any) -> float:
    """The number `key` that validation chose, from a result of what is `expected`.

    Raises:
        UserError: as `read_record`, or there is no such number.
    """
    number = read_record(path, split="validation", **expected).get(key)
    if not isinstance(number, int | float):
        raise UserError(f"{path} holds no number `{key}`: delete it and run its step again.")
    return float(number)


def write_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a tidy CSV: a header of `columns`, then one observation a row.

    Args:
        columns, rows: names, and a value for each in every row.
        about: columns before these with one value for all rows: what the file is about.
    """
    about = about or {}
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*about, *columns])
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"{path}: {len(row)} values for {len(columns)} columns: {row}")
            writer.writerow([*about.values(), *row])


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Read a CSV written by `write_csv` as a list of rows (all values are strings).

    Raises:
        UserError: the file is missing or a row is cut short.
    """
    with _reading(path), open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise UserError(
                f"{path}, line {number}: the number of values differs from the header's. The file "
                "was cut short or edited: delete it and run the step that makes it again."
            )
    return rows


def write_safetensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, torch.Tensor | np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write torch tensors or numpy arrays (not mixed) as safetensors with string metadata.

    Raises:
        UserError: the file cannot be written.
    """
    from safetensors import SafetensorError

    tensors = dict(tensors)
    metadata = dict(metadata or {})
    is_numpy = all(type(value).__module__ == "numpy" for value in tensors.values())
    with atomic_path(path) as temporary:
        if is_numpy:
            import numpy as np
            from safetensors.numpy import save_file

            # The library would write a transposed array's memory as it lies.
            tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
        else:
            from safetensors.torch import save_file

            tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:  # it hides the operating system's error
            raise cannot_write(Path(path), error) from error
        _sort_header(temporary)


def _sort_header(path: Path) -> None:
    """Write the header of a safetensors file with its keys in order.

    The library writes metadata in an order that differs between processes, so equal content would
    have different hashes.
    """
    with open(path, "r+b") as file:
        header, length = _read_header(file)
        header = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        content = header.encode().ljust(length)
        if len(content) != length:
            raise ValueError(f"the header of {path} is {length} bytes long, sorted {len(content)}")
        file.seek(8)
        file.write(content)


def _read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file and its length in bytes; `file` is at its beginning.

    The format: the header's length (8 bytes), the header (JSON), the data.
    """
    length = int.from_bytes(file.read(8), "little")
    return json.loads(file.read(length)), length


def read_safetensors(
    path: str | os.PathLike[str], framework: str = "pt"
) -> tuple[dict[str, Any], dict[str, str]]:
    """Read all tensors and the metadata of a safetensors file.

    Args:
        framework: "pt" for torch tensors, "np" for numpy arrays (needs no torch).

    Raises:
        UserError: the file is missing, truncated or not safetensors.
    """
    with open_safetensors(path, framework) as file:
        return {name: file.get_tensor(name) for name in list(file.keys())}, file.metadata() or {}


@contextmanager
def open_safetensors(path: str | os.PathLike[str], framework: str) -> Iterator[Any]:
    """Open a safetensors file to read some of its tensors (`keys`, `get_tensor`, `metadata`).

    Raises:
        UserError: as `read_safetensors`.
    """
    from safetensors import SafetensorError, safe_open

    with (
        _reading(path, "a complete safetensors file", SafetensorError, OSError),
        safe_open(path, framework=framework) as file,
    ):
        yield file


def map_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Map the tensors of a safetensors file into memory: a tensor is read where it is looked at.

    Returns:
        Read-only arrays (uint8 or int64) by name, and the metadata.

    Raises:
        UserError: as `read_safetensors`, or a tensor is of another type.
    """
    import numpy as np

    metadata = read_metadata(path)  # the library checks that the file is complete
    with open(path, "rb") as file:
        header, length = _read_header(file)
    header.pop("__metadata__", None)
    arrays = {}
    for name, tensor in header.items():
        if tensor["dtype"] not in MAPPED_TYPES:
            raise UserError(f"{path}: {name} is of type {tensor['dtype']}, not U8 or I64.")
        start = 8 + length + tensor["data_offsets"][0]
        dtype, shape = MAPPED_TYPES[tensor["dtype"]], tuple(tensor["shape"])
        arrays[name] = np.memmap(path, dtype, "r", start, shape)
    return arrays, metadata


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a safetensors file, without reading its tensors.

    Raises:
        UserError: as `read_safetensors`.
    """
    with open_safetensors(path, "np") as file:
        return file.metadata() or {}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse a pipe, which one waits at, a device and a folder; what is missing passes.

    Raises:
        UserError: it is one of these.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(
            f"{path} cannot be read: it is no regular file, but a folder, a pipe or a device. Give "
            "a file."
        )


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; `OSError` also of a pipe, which one waits at, and of a device."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    return Path(path).read_bytes()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        UserError: it is missing, or no file.
    """
    with _reading(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _reading(
    path: str | os.PathLike[str], kind: str = "", *broken: type[Exception]
) -> Iterator[None]:
    """Say what is wrong with a file: missing, no file, or of another kind, as `broken` say."""
    try:
        check_regular(path)
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{path} does not exist: check the path, or run the step that makes the file."
        ) from error
    except broken as error:
        raise UserError(
            f"{path} is not {kind} ({error}): delete it and run the step that makes it again."
        ) from error
