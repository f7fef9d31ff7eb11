"""The folder of compiled code that all jobs of a user share.

The compiler reads pickles from it, so it must be the user's own: whoever writes there runs code in
every training. It is therefore no part of `paths.resources`, which a group may share.
"""

import atexit
import contextlib
import hashlib
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tangent.jobs.errors import UserError

logger = logging.getLogger("tangent")

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"

SECONDS_OF_A_LINKER = 5.0
"""A linker that is alive writes again within so long."""

CPU_INFO = Path("/proc/cpuinfo")
_KINDS = {"vendor_id", "cpu family", "model", "flags", "CPU implementer", "CPU part", "Features"}


def use_compile_cache() -> Path:
    """Have `torch.compile` keep its code in the user's cache folder, made with mode 0700.

    That is `tangent-arithmetic/compiled` under `$TORCHINDUCTOR_CACHE_DIR`, `$XDG_CACHE_HOME` or
    `~/.cache`, with a folder for each kind of CPU. Where it cannot be written, compiled code
    goes to a temporary folder that this process removes at its end: the same bits, later.

    Returns:
        the folder.

    Raises:
        UserError: the folder is another user's.
    """
    try:
        folder = _private(_wanted())
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        folder = Path(tempfile.mkdtemp(prefix="tangent-compiled-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        logger.warning(
            "compiled code is not kept for other jobs (%s): name a folder that can be written in "
            "$XDG_CACHE_HOME",
            error,
        )
    _remove_damaged_libraries(folder)
    os.environ[VARIABLE] = str(folder)
    return folder


def _remove_damaged_libraries(folder: Path) -> None:
    """Remove libraries that a killed linker or a full disk cut short: they are made again.

    To load one ends the process (SIGBUS), now and in every later run, or makes torch believe that
    the CPU lacks vector instructions, which gives other bits.
    """
    damaged = {}
    for place, _, names in os.walk(folder):  # unlike `rglob`, tolerates folders that disappear
        for path in (Path(place, name) for name in names if name.endswith(".so")):
            with contextlib.suppress(FileNotFoundError):
                if _is_damaged(path):
                    damaged[path] = path.stat().st_mtime_ns
    if damaged:
        time.sleep(SECONDS_OF_A_LINKER)  # another job may just be writing them
    for path, before in damaged.items():
        with contextlib.suppress(FileNotFoundError):  # another job was faster
            if _is_damaged(path) and path.stat().st_mtime_ns == before:
                path.unlink()
                logger.warning("%s was cut short: it is compiled anew", path)


def _is_damaged(path: Path) -> bool:
    """Whether a library is no ELF file, or ends before its last part, the table of sections."""
    with open(path, "rb") as file:
        header = file.read(64)
    if sys.platform != "linux":
        return not header
    start = int.from_bytes(header[40:48], "little")
    size, count = (int.from_bytes(header[i : i + 2], "little") for i in (58, 60))
    return (
        len(header) < 64
        or header[:5] != b"\x7fELF\x02"
        or path.stat().st_size < start + size * count
    )


def _wanted() -> Path:
    place = Path("tangent-arithmetic", "compiled", _cpu())
    base = os.environ.get(VARIABLE) or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    # What started this process may have chosen for it. Of a user's own folder nothing is changed.
    return Path(base) if Path(base).match(str(place)) else Path(base, place)


def _cpu() -> str:
    """Names this kind of CPU: code is made for the one that compiles it.

    torch's key of the cache does not tell CPUs apart, and a cluster's nodes share a home.
    """
    named = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):  # Linux only
        first = CPU_INFO.read_text().partition("\n\n")[0]
        named += [line for line in first.splitlines() if line.partition(":")[0].strip() in _KINDS]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:12]


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise UserError(
            f"{folder} belongs to another user, and code that is compiled there would be run here: "
            f"set ${VARIABLE} to a folder of your own."
        )
    folder.chmod(0o700)
    with tempfile.TemporaryFile(dir=folder):  # a read-only file system shows only here
        return folder
