"""Several processes train as one does: same weights, one voice, one end."""

from __future__ import annotations

import itertools
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time

import pytest
import ranks
import torch
from safetensors.torch import load_file

from tangent.data.split import load_split
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_csv, read_json
from tangent.models.families import preprocess_config
from tangent.training.batches import TrainingBatches
from tangent.training.distributed import BUCKET_ELEMENTS, Processes, _buckets
from tangent.training.training_images import TrainingImages


def in_parallel(flags, **changes):
    """Flags of a run of two processes, and where it logs."""
    flags = {**flags, "processes": 2, **changes}
    return flags | {"log": flags["output_dir"] / "run.log"}


def weights_agree(one, other):
    """Float tolerance; a key's bias has no gradient, so Adam scales up its rounding errors."""
    for name, value in load_file(one / "encoder.safetensors").items():
        found = load_file(other / "encoder.safetensors")[name]
        if name.endswith("in_proj_bias"):
            value, found = (theta.view(3, -1)[[0, 2]] for theta in (value, found))
        torch.testing.assert_close(found, value, rtol=0, atol=2e-5)


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_every_image_is_seen_once_and_shares_make_up_the_batch(processes, pretrained, dataset):
    images = TrainingImages(load_split(dataset, "train"), preprocess_config(pretrained))
    images.labels = torch.arange(len(images.labels))  # an image's label says which it is
    batch_size = random.randint(1, 20)

    def epoch(**shares):
        device = torch.device("cpu")
        batches = TrainingBatches(images, batch_size, 0, "shapes", device, **shares)
        return list(batches.epoch(3))

    shares = [epoch(rank=rank, processes=processes) for rank in range(processes)]
    seen = []
    for batch, *parts in zip(epoch(), *shares, strict=True):
        assert all(part.size == batch.size == len(batch.labels) for part in parts)
        for part in parts:
            assert len(part.labels) > 0  # each process has a gradient to add, if one of zeros
            for image, label in zip(part.inputs, part.labels, strict=True):
                torch.testing.assert_close(image[None], batch.inputs[batch.labels == label])
            seen += part.labels.tolist() if part.weight == 1 else []
            assert part.weight in (0, 1)
    assert sorted(seen) == list(range(len(images.labels)))


@pytest.mark.parametrize("training", ["standard", "linear"])
def test_two_processes_give_the_weights_of_one(training, script, finetuning, tmp_path):
    # 72 images in batches of 71: one process is without an image in every second step.
    flags = finetuning | {"training": training, "batch_size": 71}
    script("finetune", **flags | {"output_dir": tmp_path / "one"})
    together = in_parallel(flags, output_dir=tmp_path / "two", accumulation_steps=3)

    assert ranks.statuses(ranks.start(2, together)) == [0, 0]

    weights_agree(tmp_path / "one", tmp_path / "two")
    logs = [read_csv(tmp_path / name / "log.csv") for name in ("one", "two")]
    for row, found in zip(*logs, strict=True):
        for name in ("loss", "accuracy", "gradient_norm", "learning_rate"):
            assert float(found[name]) == pytest.approx(float(row[name]), rel=1e-3), name
    files = {path.name for path in (tmp_path / "two").iterdir()}
    written = {"encoder.safetensors", "log.csv", "metrics.json", "events"}
    assert files == written | {"run.log", "run.json"}  # the job's log and record
    assert len(list((tmp_path / "two" / "events").iterdir())) == 1
    assert read_json(tmp_path / "two" / "metrics.json")["provenance"]["settings"]["processes"] == 2


def wait_for(path, still_runs):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert still_runs() and time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.2))


def test_a_signal_to_any_process_stops_all_and_they_resume_to_the_bit(finetuning, tmp_path):
    flags = {"epochs": 8, "accumulation_steps": 2}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    receivers, step = random.choice([(0,), (1,), (0, 1)]), random.randint(0, 20)
    stopped = in_parallel(finetuning, **flags, output_dir=killed)
    started = ranks.start(2, stopped, signals=dict.fromkeys(receivers, step))
    assert ranks.statuses(started) == [128 + signal.SIGTERM] * 2
    step += 2  # it arrives in a step, counted from 0, and the next one is the last
    assert torch.load(killed / "state.pt", weights_only=True)["step"] == step
    log = (killed / "run.log").read_text()
    assert log.count("stopped by SIGTERM") == 1
    assert f"stopped by SIGTERM after step {step}; state saved" in log

    for folder in (killed, whole):
        again = in_parallel(finetuning, **flags, output_dir=folder)
        assert ranks.statuses(ranks.start(2, again)) == [0, 0]

    assert (killed / "run.log").read_text().count(f"resumed after step {step} of 24") == 1
    one, other = (load_file(folder / "encoder.safetensors") for folder in (killed, whole))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert (killed / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()


def test_torchrun_gives_its_processes_the_time_to_save(finetuning, tmp_path):
    flags = in_parallel(finetuning, epochs=2000, seconds_between_states=0.1)
    argv = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python", "--"]
    process = subprocess.Popen(
        [sys.executable, "-m", *launcher, sys.executable, "-m", "scripts", "finetune", *argv],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    state = flags["output_dir"] / "state.pt"
    try:
        wait_for(state, lambda: process.poll() is None)
    finally:
        process.send_signal(signal.SIGTERM)
    messages = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    step = torch.load(state, weights_only=True)["step"]
    assert messages.count(f"stopped by SIGTERM after step {step}; state saved") == 1, messages


def errors(flags) -> list[str]:
    return re.findall("error: (.*)", flags["log"].read_text())


def test_a_loss_that_is_not_finite_ends_all_with_one_message(finetuning):
    flags = in_parallel(finetuning, learning_rate=1e6, epochs=20)
    assert sorted(ranks.statuses(ranks.start(2, flags))) == [1, 1]
    assert len(errors(flags)) == 1 and "finetuning.learning_rate" in errors(flags)[0]


def test_an_error_before_training_is_one_message(finetuning, heads):
    flags = in_parallel(finetuning, head=heads / "counting" / "head.safetensors")
    assert ranks.statuses(ranks.start(2, flags)) == [1, 1]
    assert len(errors(flags)) == 1 and "belong to different tasks" in errors(flags)[0]


def test_a_killed_process_ends_the_others(finetuning):
    flags = in_parallel(finetuning, epochs=2000, seconds_between_states=0.1)
    started = ranks.start(2, flags)
    wait_for(flags["output_dir"] / "state.pt", started[0].is_alive)
    started[1].kill()
    assert ranks.statuses(started) == [1, -signal.SIGKILL]
    assert len(errors(flags)) == 1 and "ended without a message" in errors(flags)[0]
    assert (flags["output_dir"] / "state.pt").exists()


def test_another_number_of_processes_is_refused(script, finetuning):
    with pytest.raises(UserError, match="--processes is 2 .*but 1 started.*--nproc-per-node 2"):
        script("finetune", **finetuning, processes=2)
    flags = in_parallel(finetuning, processes=3)
    assert ranks.statuses(ranks.start(2, flags)) == [1, 1]
    assert "--processes is 3" in errors(flags)[0]


def test_the_hardware_of_a_state_is_every_gpu_by_its_model(monkeypatch):
    assert Processes(torch.device("cpu"), 1, 4).hardware == [platform.machine()]
    names = {0: "A", 1: "B", torch.device("cuda", 1): "B"}
    monkeypatch.setattr(torch.cuda, "get_device_name", names.__getitem__)
    assert Processes(torch.device("cuda", 1)).hardware == ["B"]
    for rank in (0, 1):  # the same in both, or one of them alone would resume
        assert Processes(torch.device("cuda", rank), rank, 2).hardware == ["A", "B"]


def test_gradients_travel_in_buckets():
    sizes = [random.randint(1, 2 * BUCKET_ELEMENTS) // 2 ** random.randint(0, 9) for _ in range(40)]
    tensors = [torch.empty(size, device="meta") for size in sizes]
    buckets = list(_buckets(tensors))
    assert [id(tensor) for bucket in buckets for tensor in bucket] == list(map(id, tensors))
    for bucket in buckets:
        assert len(bucket) == 1 or sum(map(torch.numel, bucket)) <= BUCKET_ELEMENTS
    for bucket, following in itertools.pairwise(buckets):  # none ends early
        assert sum(map(torch.numel, [*bucket, following[0]])) > BUCKET_ELEMENTS
