"""What a job says of a GPU that torch cannot use: one line, before it reads anything."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import torch
from fake_driver import install_nvidia_smi
from workspace import ROOT

from scripts import cli


class Arguments(cli.Common):
    """A step without arguments of its own."""


def build_head(folder, device, **gpu):
    """Exit status and output of a step, of a model that is not there, on such a machine."""
    path = os.pathsep.join([install_nvidia_smi(folder, 1), os.environ["PATH"]])
    command = [sys.executable, "-m", "scripts", "build_head", "--device", device, "--threads", "1"]
    files = ["--pretrained-dir", str(folder / "model"), "--output", str(folder / "head")]
    done = subprocess.run(
        [*command, "--task", "shapes", *files],
        cwd=ROOT,
        env={**os.environ, **gpu, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("device", "gpu", "said"),
    [
        ("auto", {"FAKE_GPU_DRIVER": "12020"}, "driver on your system is too old"),
        ("cuda", {"FAKE_GPU_CAPABILITY": "70"}, "NVIDIA Fake, compute capability 7.0"),
    ],
)
def test_a_gpu_below_the_floor(tmp_path, device, gpu, said):
    status, output = build_head(tmp_path, device, **gpu)
    assert status == 1 and output.startswith("error: ") and output.count("\n") == 1, output
    driver = "12.2" if "FAKE_GPU_DRIVER" in gpu else "13.0"
    needs = f"needs CUDA {torch.version.cuda} and compute capability 7.5"
    for part in (said, needs, f"driver is {driver}"):
        assert part in output, output


def test_a_gpu_of_the_floor(tmp_path):
    status, output = build_head(tmp_path, "auto", FAKE_GPU_CAPABILITY="75")
    assert status == 1 and str(tmp_path / "model") in output, output


def test_a_library_without_code_for_the_gpu(monkeypatch, capsys):
    def run(arguments):
        raise torch.AcceleratorError(
            "CUDA error: no kernel image is available for execution on the device\nSearch for it"
        )

    monkeypatch.setattr(sys, "argv", ["job"])
    with pytest.raises(SystemExit) as ended:
        cli.main(Arguments, run)
    said = capsys.readouterr().err
    assert ended.value.code == 1 and said.count("\n") == 1, said
    assert "error: torch cannot use the GPU (CUDA error: no kernel image is available" in said
    assert "driver is 13.0." in said


def test_the_documentation_states_the_floor_of_the_locked_torch():
    assert torch.version.cuda.startswith("13.") and "sm_75" in torch._C._cuda_getArchFlags()
    for page in ("README.md", "docs/containers.md", "docs/cluster.md"):
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert "driver 580 or newer" in text and "compute capability 7.5 or newer" in text, page
    text = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")
    for package in ("torch", "torchvision"):
        assert f"{package}=={version(package).split('+')[0]}+cu126" in text
