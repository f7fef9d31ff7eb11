"""Provenance of a result: inputs by content, settings, code, versions, device.

This module also remembers all inputs that a process has named, for the record that a job leaves of
itself (`tangent.jobs.job_record`).
"""

import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from tangent.jobs.files import read_metadata, sha256_file

PACKAGES = (
    "torch", "open_clip_torch", "torchvision", "numpy", "scipy", "safetensors", "pandas", "pillow",
    "matplotlib", "scikit-image", "scikit-learn",
)  # fmt: skip

CONTENT = "content:"
"""What the digest of a split begins with."""

_noted: dict[str, str] = {}


def record(
    inputs: Iterable[str | Path] | None, settings: Mapping[str, Any], code: str
) -> dict[str, Any]:
    """The provenance block of a result.

    Args:
        inputs: the files read; each is recorded with the SHA-256 of its bytes, a split of a data
            set with `content:` and the digest of its content that it states: it may have gigabytes.
            None: all that this process has named so far.
        settings: the configuration values that the step was given.
        code: fingerprint of the code that the step runs (`tangent.jobs.dependencies`).

    Raises:
        UserError: an input does not exist.
    """
    return {
        "inputs": dict(sorted(_noted.items())) if inputs is None else note_inputs(inputs),
        "settings": plain_settings(settings),
        "code": code,
        "commit": _commit(),
        "versions": versions(),
        "device": _device(),
    }


def note_inputs(inputs: Iterable[str | Path]) -> dict[str, str]:
    """Remember files that this process read, where no result has a block; returns their digests.

    Raises:
        UserError: an input does not exist.
    """
    digests = {path: digest(path) for path in sorted(map(str, inputs))}
    _noted.update(digests)
    return digests


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a block holds them: of JSON's types alone."""
    return to_jsonable_python(dict(settings))


def digest(path: str | Path) -> str:
    """What stands for a file in a provenance block.

    Raises:
        UserError: the file does not exist.
    """
    if Path(path).suffix == ".safetensors":
        content = read_metadata(path).get("content_sha256")
        if content is not None:
            return f"{CONTENT}{content}"
    return sha256_file(path)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on (missing ones left out)."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def _commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None  # an unpacked archive has no history; the code fingerprint still says what ran
    return answer.stdout.strip()


def _device() -> str:
    # Steps that never needed torch must not pay seconds for importing it here.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return f"cuda: {torch.cuda.get_device_name()}"
    return f"cpu: {_cpu() or platform.machine()}"


@cache
def _cpu() -> str | None:
    """The processor's name where Linux says it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return None
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return name and name[1].strip()
