"""Training in less memory: the same weights; where it does not suffice, what to change."""

from __future__ import annotations

import contextlib
import importlib
import io
import re

import pytest
import ranks
import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from safetensors.torch import load_file
from torch.autograd.graph import saved_tensors_hooks

from scripts import cli
from tangent.arithmetic.linearized import linearize
from tangent.arithmetic.recomputed import recompute_blocks
from tangent.data.split import load_split
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_csv
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.heads.zero_shot import ZeroShotHead
from tangent.training.loop import Settings, finetune
from tangent.training.training_images import TrainingImages


def agree(one, other, tolerance=2e-5):
    """Same weights; a key's bias has no gradient, so Adam scales up its rounding errors."""
    one, other = (load_file(folder / "encoder.safetensors") for folder in (one, other))
    for name, value in one.items():
        found = other[name]
        if name.endswith("in_proj_bias"):
            value, found = (theta.view(3, -1)[[0, 2]] for theta in (value, found))
        torch.testing.assert_close(found, value, rtol=0, atol=tolerance)


@pytest.mark.parametrize("training", ["standard", "linear"])
def test_parts_of_a_batch_give_the_weights_of_the_whole(training, script, finetuning, tmp_path):
    flags = finetuning | {"training": training}
    for parts in (1, 2, 4, 7):  # 72 images in batches of 32: the last batch has 8
        own = {"accumulation_steps": parts, "output_dir": tmp_path / str(parts)}
        script("finetune", **flags | own)
    whole = read_csv(tmp_path / "1" / "log.csv")
    for parts in ("2", "4", "7"):
        agree(tmp_path / "1", tmp_path / parts)
        for row, found in zip(whole, read_csv(tmp_path / parts / "log.csv"), strict=True):
            for name in ("loss", "accuracy", "gradient_norm"):
                assert float(found[name]) == pytest.approx(float(row[name]), rel=1e-4)


@pytest.mark.parametrize(
    ("training", "autocast", "tolerance"),
    [("standard", "none", 0), ("standard", "bfloat16", 0), ("linear", "none", 2e-5)],
)
def test_activation_checkpointing_changes_no_weight(
    training, autocast, tolerance, script, finetuning, tmp_path
):
    flags = finetuning | {"training": training, "autocast": autocast}
    for kind in ("on", "off"):
        own = {"activation_checkpointing": kind, "output_dir": tmp_path / kind}
        script("finetune", **flags | own)
    agree(tmp_path / "off", tmp_path / "on", tolerance)


def kept_between_passes(model, images) -> int:
    """Numbers that the graph of a forward pass holds, parameters aside."""
    kept = []

    def pack(tensor):
        if not isinstance(tensor, torch.nn.Parameter):
            kept.append(tensor.numel())
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        model(images)
    return sum(kept)


def test_activation_checkpointing_keeps_little(pretrained):
    encoder, images = load_encoder(pretrained), torch.randn(4, 3, 32, 32)
    whole = kept_between_passes(encoder, images)
    assert recompute_blocks(encoder, True)
    assert kept_between_passes(encoder, images) < 0.4 * whole
    recompute_blocks(encoder, False)
    assert kept_between_passes(linearize(encoder, True), images) == 0


def test_a_linear_step_keeps_no_more_activations_than_a_standard_one(pretrained):
    """Activations are what grows with the batch."""
    batches = [torch.randn(size, 3, 32, 32) for size in (3, 7)]
    encoder = load_encoder(pretrained)
    grown = []
    for model in (encoder, linearize(encoder)):
        fewer, more = (kept_between_passes(model, images) for images in batches)
        grown.append(more - fewer)
    assert grown[0] == grown[1] > 0


def convolutional() -> torch.nn.Module:
    return ModifiedResNet((1, 1, 1, 1), output_dim=24, heads=2, image_size=32, width=8).eval()


def test_a_switch_that_does_nothing_is_noticed():
    assert hasattr(convolutional(), "set_grad_checkpointing")
    assert not recompute_blocks(convolutional(), True)
    assert not recompute_blocks(torch.nn.Linear(2, 2), True)
    timm = TimmModel("test_convnext", embed_dim=8, image_size=32)
    assert recompute_blocks(timm, True) and not recompute_blocks(timm, False)


def test_an_encoder_without_activation_checkpointing_trains_linearly_but_not_otherwise(
    pretrained, dataset
):
    images = TrainingImages(load_split(dataset, "train"), preprocess_config(pretrained))
    encoder, head = convolutional(), ZeroShotHead(torch.randn(10, 24).numpy())

    def trained(training, activation_checkpointing):
        settings = Settings(
            training,
            "toy",
            seed=0,
            epochs=1,
            learning_rate=1e-3,
            batch_size=32,
            autocast="none",
            activation_checkpointing=activation_checkpointing,
        )
        return finetune(encoder, head, images, settings).state

    with pytest.raises(UserError, match=r"finetuning\.models\.<model>\.activation_checkpointing"):
        trained("standard", "on")
    recomputed = trained("linear", "on")
    for name, value in trained("linear", "off").items():
        torch.testing.assert_close(recomputed[name], value, rtol=0, atol=1e-6)


def interrupted(flags) -> bytes:
    """The state that a training leaves when it is stopped."""
    assert ranks.statuses(ranks.start(1, flags, signals={0: 2})) == [143]
    return (flags["output_dir"] / "state.pt").read_bytes()


def test_a_state_belongs_to_one_division_of_the_batch(finetuning, tmp_path):
    """Another one changes the last bits, so its training starts afresh."""
    flags = finetuning | {"epochs": 4}
    state, saved = finetuning["output_dir"] / "state.pt", interrupted(flags)
    changes = ({"accumulation_steps": 2}, {"activation_checkpointing": "on"}, {"processes": 2})
    for change in changes:
        state.write_bytes(saved)
        count, log = change.get("processes", 1), tmp_path / next(iter(change))
        assert ranks.statuses(ranks.start(count, flags | change | {"log": log})) == [0] * count
        assert log.read_text().count("starting afresh") == 1


def out_of_memory(log) -> str:
    (message,) = re.findall("error: (out of memory.*)", log.read_text())
    return message


def test_too_little_memory_for_a_step_says_what_to_change_and_keeps_the_state(finetuning, tmp_path):
    log, state = tmp_path / "log", finetuning["output_dir"] / "state.pt"
    flags = finetuning | {"training": "linear", "epochs": 8, "batch_size": 72, "log": log}
    saved = interrupted(flags)

    assert ranks.statuses(ranks.start(1, flags, {0: 30 * 2**20})) == [1]

    message = out_of_memory(log)
    assert "finetuning.models.tiny.accumulation_steps (now 1)" in message
    assert "add linear to finetuning.models.tiny.activation_checkpointing" in message
    assert state.read_bytes() == saved
    assert ranks.statuses(ranks.start(1, flags)) == [0]
    assert log.read_text().count("resumed after step") == 2


def test_too_little_memory_of_one_process_ends_all_with_one_message(finetuning, tmp_path):
    log = tmp_path / "log"
    flags = finetuning | {"training": "linear", "log": log, "batch_size": 72, "processes": 2}
    started = ranks.start(2, flags, {1: 15 * 2**20})
    assert ranks.statuses(started) == [1, 1]
    assert "accumulation_steps" in out_of_memory(log)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("initial_features", "compute.evaluation_batch_size"),
        ("jacobian_products", "compute.memory.products"),
        ("single_task", "compute.memory.images"),
        ("disentanglement", "compute.evaluation_batch_size"),
        ("eigenfunctions", "compute.memory.kernels"),
        ("proposition1", "compute.memory.kernels"),
        ("build_head", "more memory"),
    ],
)
def test_too_little_memory_of_an_evaluation_says_what_to_change(name, key, monkeypatch, tmp_path):
    arguments = importlib.import_module(f"scripts.{name}").Arguments
    log, argv = tmp_path / "log", []
    for flag in re.findall(r"--[\w-]+", required(arguments)):
        argv += [flag, "sum=1" if flag in ("--task-vectors", "--initial-features") else "1"]
    monkeypatch.setattr("sys.argv", [name, *argv, "--log", str(log)])
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments, lambda _: torch.empty(2**50, dtype=torch.uint8))  # a petabyte
    assert stop.value.code == 1
    assert key in out_of_memory(log) and "1125899906842624" in out_of_memory(log)


def required(arguments) -> str:
    """What the command line says is missing."""
    with contextlib.redirect_stderr(io.StringIO()) as text, contextlib.suppress(SystemExit):
        cli.parse(arguments, [])
    return text.getvalue().rpartition("required:")[2]


def test_other_errors_are_not_called_out_of_memory(monkeypatch, tmp_path, capsys):
    arguments = importlib.import_module("scripts.paper_table").Arguments
    argv = [word for flag in re.findall(r"--[\w-]+", required(arguments)) for word in (flag, "1")]
    monkeypatch.setattr("sys.argv", ["paper_table", *argv])

    def run(_):
        torch.ones(2) @ torch.ones(3)

    with pytest.raises(SystemExit) as stop:
        cli.main(arguments, run)
    assert stop.value.code == 2 and "out of memory" not in capsys.readouterr().err
