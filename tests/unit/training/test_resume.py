"""A training that is killed and started again gives the bits of one that was left alone."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
import stopped_jobs
import torch
from safetensors.torch import load_file

from tangent.jobs.checkpoint import Checkpoint
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json


def start(flags: dict[str, object]) -> subprocess.Popen[str]:
    argv = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    return stopped_jobs.start("finetune", argv)


@pytest.mark.parametrize(
    ("training", "signal_number"),
    [("standard", signal.SIGTERM), ("linear", signal.SIGKILL)],
)
def test_killed_and_resumed_equals_uninterrupted(
    training, signal_number, script, finetuning, tmp_path, messages
):
    flags = finetuning | {"training": training, "epochs": 150}
    flags["seconds_between_states"] = 0.1
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    state = killed / "state.pt"

    process = start(flags | {"output_dir": killed})
    stopped_jobs.wait_for_a_state(process, state, at_most=0.3)
    process.send_signal(signal_number)
    message = process.communicate()[1]
    if signal_number == signal.SIGTERM:
        assert process.returncode == 128 + signal.SIGTERM
        step = torch.load(state, weights_only=True)["step"]
        assert f"stopped by SIGTERM after step {step}; state saved" in message
    else:
        assert process.returncode == -signal.SIGKILL
    assert state.exists() and not (killed / "encoder.safetensors").exists()

    script("finetune", **flags | {"output_dir": killed})
    script("finetune", **flags | {"output_dir": whole})

    assert not state.exists()
    assert sum(text.startswith("resumed after step") for text in messages) == 1
    one, other = (load_file(folder / "encoder.safetensors") for folder in (killed, whole))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (killed / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()
    metrics = [read_json(folder / "metrics.json") for folder in (killed, whole)]
    assert metrics[0]["loss"] == metrics[1]["loss"]


def test_a_state_of_the_same_training_is_resumed(tmp_path, messages):
    Checkpoint(tmp_path / "state.pt", "a").save({"step": 3, "values": torch.ones(2)})
    state = Checkpoint(tmp_path / "state.pt", "a").load()
    assert state["step"] == 3 and torch.equal(state["values"], torch.ones(2))
    assert messages == []


def test_a_state_that_cannot_be_written_keeps_the_former_one(tmp_path, small_files):
    checkpoint = Checkpoint(tmp_path / "state.pt", "a")
    checkpoint.save({"step": 3})
    with small_files(5000), pytest.raises(UserError, match=r"cannot write .*state\.pt.*disk full"):
        checkpoint.save({"step": 4, "values": torch.ones(10_000)})
    assert checkpoint.load()["step"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_state_of_another_training_is_left(tmp_path, messages):
    Checkpoint(tmp_path / "state.pt", "a").save({"step": 3})
    assert Checkpoint(tmp_path / "state.pt", "b").load() is None
    assert "belongs to other settings" in messages[0] and "starting afresh" in messages[0]


@pytest.mark.parametrize("damage", [lambda content: content[:-50], lambda content: b"not a state"])
def test_a_damaged_state_is_left_with_a_warning(tmp_path, messages, damage):
    path = tmp_path / "state.pt"
    Checkpoint(path, "a").save({"step": 3, "values": torch.ones(100)})
    path.write_bytes(damage(path.read_bytes()))
    assert Checkpoint(path, "a").load() is None
    assert "is damaged" in messages[0]


def test_a_state_that_memory_does_not_suffice_for_is_not_called_damaged(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "state.pt", "a")
    checkpoint.save({"step": 3})
    petabyte = 2**50
    monkeypatch.setattr(torch, "load", lambda *_, **__: torch.empty(petabyte, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="memory"):
        checkpoint.load()  # starting afresh would write over it


def test_the_script_does_not_resume_what_other_settings_left(
    script, finetuning, tmp_path, messages
):
    folder = finetuning["output_dir"]
    Checkpoint(folder / "state.pt", "of another training").save({"step": 2})
    script("finetune", **finetuning)
    assert any("starting afresh" in message for message in messages)
    assert not (folder / "state.pt").exists()


def test_signals_are_given_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with Checkpoint(tmp_path / "state.pt", "a") as checkpoint:
        assert not checkpoint.is_due
        os.kill(os.getpid(), signal.SIGTERM)
        assert checkpoint.stop_signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
