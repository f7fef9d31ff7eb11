"""Atomic writes and the reading of broken files."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tangent.jobs import files
from tangent.jobs.errors import UserError, is_full_disk


def test_a_failing_writer_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "result.json"
    files.write_json(path, {"alpha": 0.3})
    with pytest.raises(RuntimeError), files.atomic_path(path) as temporary:
        temporary.write_text("half a res")
        raise RuntimeError
    assert files.read_json(path) == {"alpha": 0.3}
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    code = (
        "import sys, time\nfrom tangent.jobs import files\n"
        f"with files.atomic_path({str(path)!r}) as temporary:\n"
        "    temporary.write_text('half')\n    print('writing', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as writer:
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    assert path.read_text() == "old"


def test_written_files_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        files.write_text(tmp_path / "result.txt", "text")
    finally:
        os.umask(old)
    assert (tmp_path / "result.txt").stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path):
    # A file in the folder's place: unlike a read-only folder, it stops the superuser too.
    (tmp_path / "results").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*results.*paths\.results"):
        files.write_json(tmp_path / "results" / "x" / "result.json", {})


def test_a_disk_that_is_full_is_one_clear_error_and_keeps_the_old_file(tmp_path, small_files):
    writers = {
        "x.json": lambda path: files.write_json(path, ["x" * 100] * 100),
        "x.csv": lambda path: files.write_csv(path, ["a"], [["x" * 100]] * 100),
        "x.safetensors": lambda path: files.write_safetensors(path, {"a": torch.ones(2000)}),
        "y.safetensors": lambda path: files.write_safetensors(path, {"a": np.ones(2000)}),
    }
    for name, write in writers.items():
        (tmp_path / name).write_text("old")
        with (
            small_files(1000),
            pytest.raises(UserError, match=rf"cannot write .*{name}.*Free some space"),
        ):
            write(tmp_path / name)
        assert (tmp_path / name).read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == set(writers)


def test_what_killed_writers_leave_is_removed_and_nothing_else(tmp_path):
    kept = [".run", ".hidden.tmp", "x.json", ".gitignore", ".x.json.abcdefgh.tmp.json"]
    for name in kept:
        (tmp_path / name).write_text("")
    (tmp_path / "deep").mkdir()
    names = ("x.safetensors", "log.csv", "plain")
    code = (
        "import os, sys\nfrom contextlib import ExitStack\nfrom tangent.jobs import files\n"
        "with ExitStack() as writers:\n"
        "    for path in sys.argv[1:]:\n"
        "        writers.enter_context(files.atomic_path(path)).write_text('half')\n"
        "    os._exit(0)\n"
    )
    names = ("x.safetensors", "log.csv", "plain")
    paths = [tmp_path / "deep" / name for name in names]
    subprocess.run([sys.executable, "-c", code, *paths], cwd=Path(__file__).parents[2], check=True)
    assert len(list((tmp_path / "deep").iterdir())) == len(names)
    files.remove_remains(tmp_path)
    assert not list((tmp_path / "deep").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "deep"])


def test_what_another_user_left_and_this_one_may_not_remove_stays(tmp_path, monkeypatch):
    """Or nobody else could prepare anything in a folder that users share."""
    remains = tmp_path / "of-another" / ".x.safetensors.abcdefgh.tangent.tmp"
    remains.mkdir(parents=True)
    remains.parent.chmod(0o555)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    user = os.geteuid()
    os.seteuid(user or 65534)  # the superuser may remove everything
    try:
        files.remove_remains(Path("."))
    finally:
        os.seteuid(user)
    assert remains.exists()
    remains.parent.chmod(0o755)


def test_a_folder_is_checked_without_a_trace(tmp_path):
    files.check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file.folder"):
        files.check_writable(tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    "transposed", [np.arange(6.0).reshape(2, 3).T, torch.arange(6.0).view(2, 3).T]
)
def test_a_transposed_array_is_written_as_it_looks(transposed, tmp_path):
    files.write_safetensors(tmp_path / "a", {"a": transposed})
    found = files.read_safetensors(tmp_path / "a", "np")[0]["a"]
    assert found.tolist() == transposed.tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_safetensors_round_trip(kind, tmp_path):
    array = np.random.default_rng().normal(size=(3, 5)).astype(np.float32)
    tensors = {"a": array if kind == "numpy" else torch.from_numpy(array)}
    path = tmp_path / "x.safetensors"
    files.write_safetensors(path, tensors, {"task": "letters"})
    for framework in ("pt", "np"):
        found, metadata = files.read_safetensors(path, framework)
        assert np.array_equal(np.asarray(found["a"]), array)
        assert metadata == {"task": "letters"}


def test_equal_content_gives_equal_bytes_in_every_process(tmp_path):
    code = (
        "import sys, torch\nfrom tangent.jobs import files\n"
        "metadata = {f'key {i}': f'\"value\" {i}' for i in range(9)}\n"
        "tensors = {'b': torch.ones(3), 'a': torch.zeros(2)}\n"
        "files.write_safetensors(sys.argv[1], tensors, metadata)\n"
    )
    paths = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for path in paths:
        subprocess.run(
            [sys.executable, "-c", code, path], check=True, cwd=Path(__file__).parents[2]
        )
    assert len({files.sha256_file(path) for path in paths}) == 1
    tensors, metadata = files.read_safetensors(paths[0])
    assert torch.equal(tensors["b"], torch.ones(3))
    assert metadata["key 8"] == '"value" 8'


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_truncated_safetensors_are_refused_by_name(keep, tmp_path):
    path = tmp_path / "cut.safetensors"
    files.write_safetensors(path, {"a": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"cut\.safetensors"):
        files.read_safetensors(path)


def test_csv_round_trip_and_cut_rows(tmp_path):
    path = tmp_path / "x.csv"
    files.write_csv(path, ["alpha", "accuracy"], [(0.0, 0.5), (0.05, 0.625)])
    assert files.read_csv(path) == [
        {"alpha": "0.0", "accuracy": "0.5"},
        {"alpha": "0.05", "accuracy": "0.625"},
    ]
    path.write_text(path.read_text()[: -len(",0.625\n")])
    with pytest.raises(UserError, match=r"x\.csv, line 3"):
        files.read_csv(path)


def test_json_refuses_nan_and_names_a_broken_file(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "x.json", {"accuracy": float("nan")})
    (tmp_path / "x.json").write_text('{"accuracy": 0.')
    with pytest.raises(UserError, match=r"x\.json"):
        files.read_json(tmp_path / "x.json")


@pytest.mark.parametrize("read", [files.read_json, files.read_csv, files.read_safetensors])
def test_a_missing_file_is_named(read, tmp_path):
    with pytest.raises(UserError, match=r"absent.* does not exist"):
        read(tmp_path / "absent")


def test_sha256(tmp_path):
    content = os.urandom(3000)
    (tmp_path / "x").write_bytes(content)
    assert files.sha256_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), True),
        (RuntimeError("Data processing error: No space left on device (os error 28)"), True),
        (RuntimeError("Task failed: Disk quota exceeded (os error 122)"), True),
        (OSError(errno.ECONNREFUSED, "Connection refused"), False),
        (RuntimeError("429: the rate limit was exceeded"), False),
    ],
)
def test_a_full_disk_and_a_used_quota_are_one_thing_however_they_are_told(error, is_full):
    assert is_full_disk(error) == is_full
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("the download failed") from cause
    except RuntimeError as outer:
        assert is_full_disk(outer) == is_full


def test_a_device_that_is_full_says_so():
    with pytest.raises(OSError) as raised, open("/dev/full", "w") as device:
        device.write("x" * 10_000)
    assert is_full_disk(raised.value)
