"""The folder of compiled code: the user's own, where it should be, and somewhere in any case."""

from __future__ import annotations

import _ctypes
import os
import stat
import sys
import threading

import pytest

from tangent.jobs.errors import UserError
from tangent.training import compile_cache
from tangent.training.compile_cache import VARIABLE, use_compile_cache


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")


def mode(folder) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.parametrize("chosen", ["XDG_CACHE_HOME", "HOME", VARIABLE])
def test_it_is_private_and_in_the_users_cache(chosen, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(chosen, str(tmp_path))
    tmp_path.chmod(0o755)
    base = tmp_path / ".cache" if chosen == "HOME" else tmp_path
    expected = use_compile_cache()
    assert expected.parent == base / "tangent-arithmetic" / "compiled"
    assert mode(expected) == 0o700 and mode(tmp_path) == 0o755
    assert os.environ[VARIABLE] == str(expected)
    expected.chmod(0o777)
    assert use_compile_cache() == expected and mode(expected) == 0o700


def test_another_users_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UserError, match=f"{tmp_path}/.* belongs to another user.*{VARIABLE}"):
        use_compile_cache()


def test_without_a_place_to_write_it_is_temporary(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = use_compile_cache()
    assert folder.is_dir() and mode(folder) == 0o700 and tmp_path not in folder.parents
    assert "not kept for other jobs" in caplog.text
    folder.rmdir()


@pytest.mark.parametrize(
    ("line", "other", "is_same"),
    [
        ("cpu MHz\t\t: 2599.998", "cpu MHz\t\t: 3100.0", True),
        ("microcode\t: 0x1000065", "microcode\t: 0x1000066", True),
        ("flags\t\t: fpu avx2 avx512f", "flags\t\t: fpu avx2", False),
        ("model\t\t: 2", "model\t\t: 3", False),
    ],
)
def test_each_kind_of_cpu_has_a_folder(line, other, is_same, tmp_path, monkeypatch):
    """Code for AVX-512 must not be run by a node of the cluster that lacks it."""
    folders = []
    for content in (line, other):
        monkeypatch.setenv(VARIABLE, "")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(compile_cache, "CPU_INFO", tmp_path / "cpuinfo")
        compile_cache.CPU_INFO.write_text(f"processor\t: 0\n{content}\n\nprocessor\t: 1\n{line}\n")
        folders.append(use_compile_cache())
    assert (folders[0] == folders[1]) == is_same


@pytest.mark.skipif(sys.platform != "linux", reason="libraries of other systems look different")
def test_libraries_that_were_cut_short_are_removed(tmp_path, monkeypatch, caplog):
    """Loading a part of a library would kill this process and all later ones."""
    monkeypatch.setattr(compile_cache, "SECONDS_OF_A_LINKER", 0.5)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with open(_ctypes.__file__, "rb") as file:
        whole = file.read()
    contents = {"whole": whole, "half": whole[: len(whole) // 2], "nearly": whole[:-1]}
    contents |= {"empty": b"", "start": whole[:40], "zeros": bytes(len(whole))}
    folder = use_compile_cache() / "ab"
    folder.mkdir()
    for name, content in contents.items():
        (folder / f"{name}.so").write_bytes(content)
    of_the_user = tmp_path / "half.so"
    of_the_user.write_bytes(contents["half"])
    being_linked = folder / "linked.so"
    being_linked.write_bytes(whole[:1000])
    linker = threading.Timer(0.1, being_linked.write_bytes, [whole[:2000]])
    linker.start()
    use_compile_cache()
    linker.join()
    assert {path.name for path in folder.iterdir()} == {"whole.so", "linked.so"}
    assert of_the_user.read_bytes() == contents["half"]
    assert caplog.text.count("was cut short: it is compiled anew") == len(contents) - 1
