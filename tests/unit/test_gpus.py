"""Which GPUs there are, and that each is one job's at a time. The driver is a stand-in."""

import os
import subprocess
import sys
import time

import pytest
from fake_driver import UUIDS, install_nvidia_smi
from workspace import ROOT

from tangent.jobs import runtime
from tangent.jobs.errors import UserError
from tangent.jobs.gpus import auto_device, lease, refuse_unusable, visible_gpus


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with four GPUs, whose locks lie in a folder of the test."""

    def with_gpus(count):
        monkeypatch.setenv("PATH", install_nvidia_smi(tmp_path / "bin", count), os.pathsep)

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with_gpus(4)
    return with_gpus


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("-1", []),
        ("2,0", [2, 0]),
        (" 3 , 1 ", [3, 1]),
        ("0,9,1", [0]),  # as in CUDA: nothing after an entry that names no GPU
        (f"{UUIDS[2]},1", [2, 1]),
        (UUIDS[3][:10], [3]),
        ("GPU-", []),  # the beginning of all four
        ("NoDevFiles", []),
    ],
)
def test_visible_gpus_are_those_that_cuda_would_see(machine, monkeypatch, visible, expected):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = visible_gpus()
    assert [gpu.identity for gpu in found] == [UUIDS[index] for index in expected]
    if visible:
        assert [gpu.name for gpu in found] == [e.strip() for e in visible.split(",")][: len(found)]


def test_part_of_a_gpu_is_its_own(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-5,MIG-6")
    assert [gpu.identity for gpu in visible_gpus()] == ["MIG-5", "MIG-6"]


def test_without_a_driver_there_is_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == [] and auto_device() == "cpu" and lease() == []


def test_a_driver_that_fails_lists_no_gpu(machine, tmp_path):
    (tmp_path / "bin" / "nvidia-smi").write_text(
        "#!/bin/sh\necho 'No devices were found'; exit 6\n"
    )
    assert visible_gpus() == []


def start(code, **environment):
    """A process that leases, says what it got, and keeps it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLD = """
import os, sys
from tangent.jobs.gpus import lease
lease({count})
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


def test_each_process_gets_a_gpu_of_its_own_and_the_next_waits(machine):
    machine(2)
    holders = [start(HOLD.format(count=1)) for _ in range(2)]
    assert {holder.stdout.readline().strip() for holder in holders} == set(UUIDS[:2])
    waiting = start(HOLD.format(count=1))
    time.sleep(0.5)
    assert waiting.poll() is None
    holders[0].kill()  # the lock goes with its process, however that ends
    freed = waiting.stdout.readline().strip()
    holders[1].communicate("")
    waiting.communicate("")
    assert freed in UUIDS[:2]


def test_several_gpus_are_taken_together(machine):
    machine(3)
    one = start(HOLD.format(count=1))
    assert one.stdout.readline().strip() == UUIDS[0]
    two = start(HOLD.format(count=2))
    assert two.stdout.readline().strip() == ",".join(UUIDS[1:3])
    for process in (one, two):
        process.communicate("")


def test_a_command_holds_its_gpus_until_it_ends(machine):
    machine(3)
    show = "import os, sys; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); sys.stdin.read()"
    command = [sys.executable, "-m", "tangent.jobs.gpus", "2", sys.executable, "-c", show]
    pair = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert pair.stdout.readline().strip() == ",".join(UUIDS[:2])
    one = start(HOLD.format(count=1))
    assert one.stdout.readline().strip() == UUIDS[2]
    pair.communicate("")
    again = start(HOLD.format(count=1))
    assert again.stdout.readline().strip() == UUIDS[0]
    for process in (one, again):
        process.communicate("")


def test_a_lock_that_is_held_does_not_look_old(machine, tmp_path):
    machine(1)
    folder = tmp_path / f"tangent-gpus-{os.getuid()}"
    folder.mkdir()
    lock = folder / UUIDS[0]
    lock.touch()
    os.utime(lock, (0, 0))  # systemd deletes files of 10 days from /tmp
    holder = start(HOLD.format(count=1))
    assert holder.stdout.readline().strip() == UUIDS[0]
    assert min(lock.stat().st_mtime, lock.stat().st_atime) > time.time() - 60
    holder.communicate("")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["two", "true"], "usage: "),
        (["2"], "usage: "),
        (["0", "true"], "usage: "),
        (["9", "true"], "the job needs 9 GPUs"),
    ],
)
def test_a_command_without_its_gpus_does_not_start(machine, arguments, message):
    command = [sys.executable, "-m", "tangent.jobs.gpus", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_locks_are_of_the_gpu_and_not_of_its_name(machine):
    by_index = start(HOLD.format(count=1), CUDA_VISIBLE_DEVICES="0,1")
    assert by_index.stdout.readline().strip() == "0"
    by_uuid = start(HOLD.format(count=1))
    assert by_uuid.stdout.readline().strip() == UUIDS[1]
    for process in (by_index, by_uuid):
        process.communicate("")


def test_gpus_that_others_chose_are_used_without_a_lock(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert lease() == [] and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    assert lease(2) == []
    assert not list(tmp_path.glob("tangent-gpus-*"))


def test_too_few_gpus_are_refused(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    with pytest.raises(UserError, match="needs 3 GPUs, but there are 2 here"):
        lease(3)


def test_a_folder_for_locks_that_cannot_be_made_is_named(machine, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot lock .*file/tangent-gpus-.*TMPDIR"):
        lease()


def test_a_listed_gpu_that_torch_does_not_see_is_refused(machine, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # so that none is reserved
    for device in ("auto", "cuda", "cuda:1"):
        with pytest.raises(UserError) as refused:
            runtime.setup(1, device)
        message = str(refused.value)
        assert message.startswith("nvidia-smi lists a GPU that torch cannot use. This torch (")
        assert (torch.version.cuda or "without CUDA") in message and "\n" not in message
        assert "set compute.device to cpu" in message
    assert runtime.setup(1, "cpu").type == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert auto_device() == "cpu" and runtime.setup(1, "auto").type == "cpu"


def test_auto_is_the_cpu_where_an_entry_names_a_gpu_and_there_is_no_driver(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert runtime.setup(1, "auto").type == "cpu"
    with pytest.raises(UserError, match="torch sees no GPU here"):
        runtime.setup(1, "cuda")


@pytest.fixture
def capabilities(monkeypatch):
    """GPUs of these compute capabilities, for a torch with code for 7.5, 8.0 and 12.0."""
    import torch

    def of(*versions):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(versions))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: versions[device])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device}")
        flags = "sm_75 sm_80 sm_120"
        monkeypatch.setattr(torch._C, "_cuda_getArchFlags", lambda: flags, raising=False)
        monkeypatch.setattr(torch.version, "cuda", "13.0")

    return of


@pytest.mark.parametrize("version", [(7, 5), (8, 0), (8, 9), (12, 1)])
def test_a_gpu_of_a_version_with_code_is_used(capabilities, version):
    capabilities(version)
    refuse_unusable()


@pytest.mark.parametrize("version", [(6, 1), (7, 0), (9, 0), (13, 0)])
def test_a_gpu_without_code_is_refused(capabilities, version):
    capabilities((8, 6), version)
    shown = ".".join(map(str, version))
    with pytest.raises(UserError, match=rf"GPU 1, compute capability {shown}\).* 7.5 or newer;"):
        refuse_unusable()
    refuse_unusable("0")
    with pytest.raises(UserError, match="GPU 1"):
        refuse_unusable("1")
