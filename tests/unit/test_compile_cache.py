"""The folder of compiled code: the user's own, where it should be, and somewhere in any case."""

from __future__ import annotations

import os
import stat

import pytest

from tangent.compile_cache import VARIABLE, use_compile_cache
from tangent.errors import UserError


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")


def mode(folder) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.mark.parametrize("chosen", ["XDG_CACHE_HOME", "HOME", VARIABLE])
def test_it_is_private_and_in_the_users_cache(chosen, tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(chosen, str(tmp_path))
    within = {"XDG_CACHE_HOME": "tangent-arithmetic/compiled", VARIABLE: "."}
    expected = tmp_path / within.get(chosen, ".cache/tangent-arithmetic/compiled")
    assert use_compile_cache() == expected and mode(expected) == 0o700
    assert os.environ[VARIABLE] == str(expected)
    expected.chmod(0o777)
    assert use_compile_cache() == expected and mode(expected) == 0o700


def test_another_users_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UserError, match=f"{tmp_path} belongs to another user.*{VARIABLE}"):
        use_compile_cache()


def test_without_a_place_to_write_it_is_temporary(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder = use_compile_cache()
    assert folder.is_dir() and mode(folder) == 0o700 and tmp_path not in folder.parents
    assert "not kept for other jobs" in caplog.text
    folder.rmdir()
