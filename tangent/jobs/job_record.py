"""The record that a job leaves of itself beside its log: what it read, what it wrote, with what.

A CSV, a table or a figure cannot hold a provenance block, and no file can hold its own hash. The
record has both: the job's provenance block, and the SHA-256 of every file that it wrote. It also
says when the job finished, in seconds since 1970.
`tangent.jobs.verification` compares files and records.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tangent.jobs import files, provenance
from tangent.jobs.errors import UserError


@dataclass(frozen=True)
class Output:
    """A file as its job wrote it.

    Attributes:
        sha256: of its bytes.
        digest: what stands for it in the provenance of what is computed from it
            (`tangent.jobs.provenance.digest`).
    """

    sha256: str
    digest: str


@dataclass(frozen=True)
class JobRecord:
    """What a job did.

    Attributes:
        step: name of its script.
        settings: the values of its flags, as JSON has them.
        code: fingerprint of the code that it ran.
        inputs: path -> digest of every file that it read.
        outputs: path -> every file that it wrote.
    """

    step: str
    settings: Mapping[str, Any]
    code: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, Output]


def record_path(log: Path) -> Path:
    """The record of the job that logs to `log`."""
    return log.with_suffix(".json")


def remove(log: Path) -> None:
    """Remove the record of an earlier run of the job that logs to `log`, if there is one.

    Raises:
        UserError: it cannot be removed.
    """
    try:
        record_path(log).unlink(missing_ok=True)
    except OSError as error:
        raise files.cannot_write(record_path(log), error) from error


def write(log: Path, step: str, settings: Mapping[str, Any], code: str) -> None:
    """Record what this process has read and written, at the end of a job that succeeded.

    Raises:
        UserError: the record cannot be written.
    """
    content = {
        "step": step,
        "outputs": {path: _entry(path) for path in files.written()},
        "provenance": provenance.record(None, settings, code),
        "finished": time.time(),
    }
    files.write_json(record_path(log), content)


def _entry(path: str) -> dict[str, str]:
    digest = provenance.digest(path)
    if not digest.startswith(provenance.CONTENT):
        return {"sha256": digest}
    return {"sha256": files.sha256_file(path), "digest": digest}


def read(path: Path) -> JobRecord:
    """Read a record.

    Raises:
        UserError: it is missing, or not the record of a job.
    """
    content = files.read_json(path)
    try:
        block = content["provenance"]
        outputs = {
            name: Output(entry["sha256"], entry.get("digest", entry["sha256"]))
            for name, entry in content["outputs"].items()
        }
        return JobRecord(
            content["step"], dict(block["settings"]), block["code"], dict(block["inputs"]), outputs
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is not the record of a job: it was edited or replaced.") from error
