"""Fine-tuning: schedule, one loop for both trainings, what it writes, what it refuses."""

from __future__ import annotations

import json
import math
import threading
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn.attention import SDPBackend, sdpa_kernel

from tangent.arithmetic.modes import TRAININGS, Training
from tangent.data.split import load_split
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_csv, read_json
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.heads.stored import load_head
from tangent.training.batches import TrainingBatches, one_ahead
from tangent.training.history import Record
from tangent.training.loop import Settings, finetune, learning_rate
from tangent.training.training_images import TrainingImages

SETTINGS = Settings(
    training="standard",
    task="shapes",
    seed=0,
    epochs=2,
    learning_rate=1e-3,
    batch_size=32,
    warmup_steps=2,
    autocast="none",
)


@pytest.fixture
def train(pretrained, dataset, heads):
    """Fine-tune the tiny model under the settings with changes; returns result and record."""
    data = load_split(dataset, "train")
    head = load_head(heads / "shapes" / "head.safetensors")

    def run(**changes):
        record = Record()
        settings = Settings(**{**vars(SETTINGS), **changes})
        preprocess = preprocess_config(pretrained)
        encoder = load_encoder(pretrained)
        images = TrainingImages(data, preprocess)
        return finetune(encoder, head, images, settings, record), record

    return run


@pytest.mark.parametrize("model", ["plain", "linearized"])
def test_a_training_of_some_parameters_leaves_the_others_at_theta0(
    train, pretrained, monkeypatch, model
):
    monkeypatch.setitem(TRAININGS, "attention", Training(model, r"\.attn\."))
    result, _ = train(training="attention")
    theta0 = load_encoder(pretrained).state_dict()
    changed = {name for name in theta0 if not torch.equal(result.state[name], theta0[name])}
    assert changed == {name for name in theta0 if ".attn." in name}
    monkeypatch.setitem(TRAININGS, "attention", Training(model, "attention"))
    with pytest.raises(UserError, match="no parameter with 'attention' in its name.*modes.py"):
        train(training="attention")
    with pytest.raises(UserError, match="unknown training 'linea': the trainings are standard, "):
        train(training="linea")


def test_the_schedule_is_the_closed_form():
    rates = [learning_rate(step, 2.0, 4, 10) for step in range(10)]
    assert rates[:4] == [0.5, 1.0, 1.5, 2.0]
    assert rates[4:] == [1 + math.cos(math.pi * step / 6) for step in range(6)]
    assert learning_rate(10, 2.0, 4, 10) == pytest.approx(0)


@pytest.mark.parametrize(
    ("images", "epochs", "warmup"),
    [(55_000, 5, 500), (7_330, 35, 500), (68_257, 4, 500), (3_384, 76, 200)],
    ids=["MNIST", "Cars", "SVHN", "DTD, the paper's warm-up"],
)
def test_the_schedule_is_that_of_torchs_schedulers(images, epochs, warmup):
    """For the paper's step counts: batches of 128, a short one at each epoch's end."""
    steps = epochs * math.ceil(images / 128)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-5)
    schedulers = torch.optim.lr_scheduler
    rise = schedulers.LinearLR(optimizer, 1 / warmup, total_iters=warmup - 1)
    fall = schedulers.CosineAnnealingLR(optimizer, steps - warmup)
    both = schedulers.SequentialLR(optimizer, [rise, fall], [warmup])
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        both.step()
    ours = [learning_rate(step, 1e-5, warmup, steps) for step in range(steps)]
    assert ours == pytest.approx(expected, rel=1e-9, abs=1e-16)


def test_the_steps_of_the_paper_are_counted():
    images = SimpleNamespace(labels=range(55_000))  # as many as MNIST's; only their number counts
    batches = TrainingBatches(images, 128, 0, "mnist", torch.device("cpu"))
    assert 5 * batches.steps_per_epoch == 2150


def test_a_warmup_longer_than_the_training_never_decays():
    assert [learning_rate(step, 1.0, 4, 2) for step in range(2)] == [0.25, 0.5]


def test_no_warmup_starts_at_the_peak():
    assert learning_rate(0, 3.0, 0, 5) == 3.0


def batches(dataset, pretrained, **changes):
    data = load_split(dataset, "train")
    settings = {"batch_size": 32, "seed": 0, "task": "shapes", "device": torch.device("cpu")}
    images = TrainingImages(data, preprocess_config(pretrained))
    return TrainingBatches(images, **settings | changes)


def test_epochs_see_every_image_once_in_new_orders(dataset, pretrained):
    data = batches(dataset, pretrained)
    epochs = [list(data.epoch(number)) for number in (0, 1)]
    assert [len(batch.labels) for batch in epochs[0]] == [32, 32, 8]
    for epoch in epochs:
        labels = torch.cat([batch.labels for batch in epoch])
        assert torch.equal(labels.sort().values, data.examples.labels.sort().values)
    assert not torch.equal(epochs[0][0].inputs, epochs[1][0].inputs)


def test_batches_depend_on_seed_task_and_epoch_and_can_start_anywhere(dataset, pretrained):
    first = list(batches(dataset, pretrained).epoch(1))
    again = list(batches(dataset, pretrained).epoch(1, skip=1))
    assert len(again) == 2
    for batch, same in zip(first[1:], again, strict=True):
        assert torch.equal(batch.inputs, same.inputs) and torch.equal(batch.labels, same.labels)
    for change in ({"seed": 1}, {"task": "letters"}):
        other = next(batches(dataset, pretrained, **change).epoch(1))
        assert not torch.equal(first[0].inputs, other.inputs)


def test_the_batch_that_is_made_ahead_is_the_same(dataset, pretrained):
    data = batches(dataset, pretrained)
    ahead = list(one_ahead(data.from_step(2, 3)))
    plain = [batch for number in range(3) for batch in data.epoch(number)][2:]
    assert len(ahead) == 7
    for batch, same in zip(ahead, plain, strict=True):
        assert torch.equal(batch.inputs, same.inputs) and torch.equal(batch.labels, same.labels)


def test_one_item_is_made_ahead_in_another_thread():
    made, threads = [], set()

    def items():
        for item in range(4):
            made.append(item)
            threads.add(threading.current_thread())
            yield item
        raise UserError("no more")

    ahead = one_ahead(items())
    for item in range(4):
        assert next(ahead) == item
        assert len(made) <= item + 2  # memory holds no more than the next one
    with pytest.raises(UserError, match="no more"):
        next(ahead)
    assert len(threads) == 1 and threading.current_thread() not in threads
    assert not threads.pop().is_alive()


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    ahead = one_ahead(iter(range(10)))
    next(ahead)
    assert threading.active_count() == before + 1
    ahead.close()
    assert threading.active_count() == before


def test_standard_training_equals_a_plain_loop(train, pretrained, dataset, heads):
    result, record = train()
    encoder = load_encoder(pretrained)
    head = torch.from_numpy(load_head(heads / "shapes" / "head.safetensors").weight)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-3, weight_decay=0.1)
    data, losses = batches(dataset, pretrained), []
    for epoch in range(2):
        for batch in data.epoch(epoch):
            optimizer.param_groups[0]["lr"] = learning_rate(len(losses), 1e-3, 2, 6)
            with sdpa_kernel(SDPBackend.MATH):
                features = encoder(batch.inputs)
            loss = F.cross_entropy(F.normalize(features, dim=-1) @ head.T, batch.labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
    assert [row[3] for row in record.rows] == pytest.approx(losses, rel=1e-5)
    for name, value in encoder.state_dict().items():
        ours = result.state[name]
        if name.endswith("in_proj_bias"):
            # A key's bias has no gradient (softmax forgets it): Adam scales up its rounding errors.
            ours, value = (theta.view(3, -1)[[0, 2]] for theta in (ours, value))
        torch.testing.assert_close(ours, value, rtol=0, atol=1e-5)


def test_both_trainings_take_the_same_first_step(train):
    """At θ0 the linearized model has the plain one's value and gradient."""
    rows = [train(training=training)[1].rows for training in ("standard", "linear")]
    assert rows[0][0] == pytest.approx(rows[1][0], rel=1e-4)
    assert rows[0][-1] != pytest.approx(rows[1][-1], rel=1e-4)


def test_training_learns(train):
    for training in ("standard", "linear"):
        _, record = train(training=training, epochs=15, learning_rate=3e-3)
        assert record.last_epoch()[0] < record.rows[0][3] - 0.3


def test_weight_decay_pulls_theta_and_not_tau_to_zero(train):
    """With learning rate · decay = 1 a step forgets θ: what is left is Adam's step of size lr."""
    settings = {"epochs": 1, "batch_size": 100, "warmup_steps": 0}
    for training in ("standard", "linear"):
        result, record = train(training=training, learning_rate=1e-3, weight_decay=1e3, **settings)
        assert len(record.rows) == 1
        assert max(value.abs().max() for value in result.state.values()) < 1.1e-3


def test_the_same_settings_give_the_same_bits(train):
    for training in ("standard", "linear"):
        one, other = (train(training=training, autocast="bfloat16") for _ in range(2))
        assert one[1].rows == other[1].rows
        assert all(torch.equal(value, other[0].state[name]) for name, value in one[0].state.items())


def test_the_script_writes_everything_and_no_state(script, finetuning, pretrained):
    script("finetune", **finetuning)
    folder = finetuning["output_dir"]
    assert {path.name for path in folder.iterdir()} == {
        "encoder.safetensors",
        "log.csv",
        "metrics.json",
        "events",
    }
    rows = read_csv(folder / "log.csv")
    assert list(rows[0]) == ["step", "epoch", "learning_rate", "loss", "accuracy", "gradient_norm"]
    assert [row["step"] for row in rows] == [str(step) for step in range(9)]
    metrics = read_json(folder / "metrics.json")
    assert metrics["steps"] == 9 and metrics["training"] == "standard"
    assert metrics["loss"] == pytest.approx(sum(float(row["loss"]) for row in rows[6:]) / 3)
    settings = metrics["provenance"]["settings"]
    assert settings["learning_rate"] == 1e-3 and "seconds_between_states" not in settings
    with safe_open(folder / "encoder.safetensors", "pt") as file:
        about = file.metadata()
    assert (about["model"], about["task"], about["seed"]) == ("tiny", "shapes", "0")
    load_encoder(pretrained, folder / "encoder.safetensors")


def test_events_hold_each_step_once(script, finetuning):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # a second run replaces the first one's events
        script("finetune", **finetuning)
    events = EventAccumulator(str(finetuning["output_dir"] / "events")).Reload()
    scalars = events.Scalars("train/loss")
    rows = read_csv(finetuning["output_dir"] / "log.csv")
    assert [event.step for event in scalars] == list(range(9))
    assert [event.value for event in scalars] == pytest.approx([float(row["loss"]) for row in rows])


def test_a_learning_rate_that_diverges_is_named(script, finetuning):
    with pytest.raises(UserError, match=r"step \d+: .*learning rate.*finetuning\.learning_rate"):
        script("finetune", **finetuning | {"learning_rate": 1e6, "epochs": 20})
    assert not (finetuning["output_dir"] / "encoder.safetensors").exists()


def test_a_place_that_cannot_be_written_is_found_before_training(script, finetuning, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        script("finetune", **finetuning | {"output_dir": tmp_path / "file" / "finetuned"})


def test_another_tasks_head_is_refused(script, finetuning, heads):
    head = heads / "counting" / "head.safetensors"  # eight classes, and shapes has ten
    with pytest.raises(UserError, match="head and data set belong to different tasks"):
        script("finetune", **finetuning | {"head": head})


def test_the_random_initialisation_can_be_fine_tuned(script, finetuning, pretrained, tmp_path):
    initial = tmp_path / "random.safetensors"
    script("initialize_random", pretrained_dir=pretrained, seed=0, output=initial)
    script("finetune", **finetuning | {"initial_encoder": initial, "epochs": 1})
    assert (finetuning["output_dir"] / "encoder.safetensors").exists()


def test_the_task_vector_is_the_difference(script, finetuning, pretrained, tmp_path):
    script("finetune", **finetuning)
    finetuned = finetuning["output_dir"] / "encoder.safetensors"
    initial, output = pretrained / "encoder.safetensors", tmp_path / "task_vector.safetensors"
    flags = {"initial_encoder": initial, "finetuned_encoder": finetuned, "output": output}

    script("extract_task_vector", **flags)

    theta0, theta, tau = load_file(initial), load_file(finetuned), load_file(output)
    assert tau.keys() == dict(load_encoder(pretrained).named_parameters()).keys()
    for name, value in tau.items():
        assert torch.equal(value, theta[name] - theta0[name])
    with safe_open(output, "pt") as file:
        about = file.metadata()
    assert about["task"] == "shapes" and about["training"] == "standard"
    assert str(finetuned) in json.loads(about["provenance"])["inputs"]

    other = tmp_path / "other.safetensors"
    script("initialize_random", pretrained_dir=pretrained, seed=0, output=other)
    with pytest.raises(UserError, match="was not fine-tuned from"):
        script("extract_task_vector", **flags | {"initial_encoder": other})
