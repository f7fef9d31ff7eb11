"""Runs this folder's tests in a process of their own that has a fake GPU, and reports them here.

Importing torch takes seconds, so a file's tests share that process: pytest itself runs there, and
its reports come back as pytest's plugin for several processes sends them.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPORTS = "FAKE_GPU_REPORTS"
"""Names the file of reports, in that process alone."""

_reports: dict[Path, dict[str, list[pytest.TestReport]]] = {}


def missing() -> str | None:
    """What the stub libraries cannot be built for."""
    if shutil.which("cc") is None:
        return "there is no C compiler (cc)"
    folders = headers()
    if not (folders and all(folder.is_dir() for folder in folders)):
        return "torch's wheel brings no headers of CUDA"
    return None


def headers() -> list[Path]:
    """Folders of CUDA's headers: those of torch's own CUDA, and Triton's for what they include."""
    torch, triton = find_spec("torch"), find_spec("triton")
    if torch is None or triton is None:
        return []
    packages = Path(torch.origin).parents[1]
    found = packages.glob("nvidia/cu*/include/driver_types.h")
    return [*(path.parent for path in found), packages / "triton/backends/nvidia/include"]


def build_stubs(folder: Path) -> dict[str, str]:
    """Compile the two stub libraries; returns the environment of a process that is to see them."""
    version = headers()[0].parent.name.removeprefix("cu")
    names = folder / "names"
    names.write_text(f"libcudart.so.{version} {{ global: *; }};\n")
    include = [f"-I{path}" for path in headers()]
    runtime, driver = folder / "runtime.so", folder / "libcuda.so.1"
    for source, library, options in (
        ("runtime_stub.c", runtime, [*include, f"-Wl,--version-script={names}"]),
        ("driver_stub.c", driver, []),
    ):
        command = ["cc", "-shared", "-fPIC", *options, str(HERE / source), "-o", str(library)]
        subprocess.run(command, check=True)
    return {"LD_LIBRARY_PATH": str(folder), "LD_PRELOAD": str(runtime)}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write the report of a test where it runs."""
    if REPORTS in os.environ:
        with open(os.environ[REPORTS], "a", encoding="utf-8") as file:
            file.write(f"{report._to_json()!r}\n")  # not as JSON, which has no tuples


def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Report a test of this folder from the other process."""
    if REPORTS in os.environ or item.path.parent != HERE:
        return None
    if why := missing():
        item.add_marker(pytest.mark.skip(reason=why))
        return None
    if item.path not in _reports:
        _reports[item.path] = _run([one for one in item.session.items if one.path == item.path])
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports[item.path][item.nodeid]:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run(items: list[pytest.Item]) -> dict[str, list[pytest.TestReport]]:
    """Run tests with a fake GPU; returns the reports of each."""
    reports: dict[str, list[pytest.TestReport]] = {item.nodeid: [] for item in items}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "reports")
        # A GPU that the machine has is not listed; the fake one is the first.
        chosen = {"CUDA_VISIBLE_DEVICES": "0", REPORTS: str(file)}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
        done = subprocess.run(
            [*command, *reports],
            cwd=items[0].config.rootpath,
            env={**os.environ, **build_stubs(Path(folder)), **chosen},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            report = pytest.TestReport._from_json(ast.literal_eval(line))
            reports[report.nodeid].append(report)
    for item in items:
        if not any(report.when == "teardown" for report in reports[item.nodeid]):
            text = f"the process with the fake GPU ended before:\n{done.stdout}"
            report = pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")
            reports[item.nodeid].append(report)
    return reports


@pytest.fixture(scope="session")
def cuda() -> object:
    """The module `fake_cuda`, torch set up as for a job."""
    import fake_cuda

    from tangent.jobs import runtime

    fake_cuda.start_cuda()
    runtime.setup(threads=1, device="cuda")
    return fake_cuda


@pytest.fixture
def gpu(cuda: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A fake GPU for the length of a test."""
    monkeypatch.setattr("tangent.training.batches.ThreadPoolExecutor", cuda.InThisThread)
    with cuda.FakeCuda() as mode:
        yield mode
