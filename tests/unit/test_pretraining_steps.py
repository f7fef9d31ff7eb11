"""Weights kept along a pre-training: which steps are wanted changes no bit, nor does a stop."""

from __future__ import annotations

import json
import random
import signal
import typing
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from scripts import pretrain as script
from tangent.jobs.checkpoint import Checkpoint
from tangent.jobs.errors import Interrupted, UserError
from tangent.jobs.files import read_csv, read_json, read_safetensors
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.fetch.fetching import fetch
from tangent.training.pretraining import contrastive, supervised
from tangent.training.pretraining.contrastive import TOWERS, ContrastiveObjective, normalise
from tangent.training.pretraining.recipes import Contrastive, Supervised, read_recipe
from tangent.training.pretraining.steps import PretrainingRun, pretrain

SEED = random.randrange(1000)
ENTRY = {
    "objective": "contrastive", "tower": "convnext", "images": 40, "epochs": 2, "batch_size": 16,
    "learning_rate": 1e-3, "seed": SEED, "threads": 1,
}  # fmt: skip


class Short(Contrastive):
    warmup_steps: ClassVar[int] = 4


RECIPE = Short(**ENTRY | {"tower": "vit", "images": 70, "epochs": 3})


def untrained() -> ContrastiveObjective:
    torch.manual_seed(RECIPE.seed)
    return ContrastiveObjective(RECIPE)


@pytest.fixture(scope="module")
def whole() -> PretrainingRun:
    """Every step of the schedule kept."""
    return pretrain(untrained(), RECIPE, range(RECIPE.steps + 1))


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def test_a_run_that_ends_early_has_the_bits_of_the_whole_one(whole: PretrainingRun) -> None:
    last = random.randrange(1, RECIPE.steps)
    objective = untrained()
    initial = {name: value.clone() for name, value in objective.model.state_dict().items()}
    cut = pretrain(objective, RECIPE, {0, last})
    assert set(cut.snapshots) == {0, last} and len(cut.rows) == last
    assert same(cut.snapshots[0], initial) and same(cut.snapshots[0], whole.snapshots[0])
    assert same(cut.snapshots[last], whole.snapshots[last])
    assert not same(whole.snapshots[last], whole.snapshots[last - 1])


def test_a_recipes_precision_is_that_of_its_steps() -> None:
    """Few steps: processors without bfloat16 take some 60 times as long for it."""
    few = ENTRY | {"tower": "vit", "images": 16, "epochs": 1, "batch_size": 8}
    losses = []
    for autocast in ("none", "bfloat16"):
        recipe = Short(**few, autocast=autocast)
        torch.manual_seed(SEED)
        run = pretrain(ContrastiveObjective(recipe), recipe, {recipe.steps})
        assert {value.dtype for value in run.snapshots[2].values()} == {torch.float32}
        losses.append([row.loss for row in run.rows])
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], abs=0.05)


def test_a_stopped_run_is_resumed_to_the_same_bits(whole: PretrainingRun, tmp_path: Path) -> None:
    stop_after, wanted = random.randrange(1, RECIPE.steps), {0, 5, RECIPE.steps}

    def checkpoint() -> Checkpoint:
        return Checkpoint(tmp_path / "state.pt", "of this test", seconds=1e9)

    objective = untrained()
    constrain, steps = objective.constrain, iter(range(1, RECIPE.steps + 1))

    def constrain_and_stop() -> None:
        constrain()
        if next(steps) == stop_after:
            signal.raise_signal(signal.SIGTERM)

    objective.constrain = constrain_and_stop
    with pytest.raises(Interrupted):
        pretrain(objective, RECIPE, wanted, checkpoint())
    resumed = pretrain(untrained(), RECIPE, wanted, checkpoint())
    assert set(resumed.snapshots) == wanted
    assert all(same(resumed.snapshots[step], whole.snapshots[step]) for step in wanted)
    assert [row.loss for row in resumed.rows] == [row.loss for row in whole.rows]
    seconds = [row.seconds for row in resumed.rows]
    assert seconds == sorted(seconds)


def test_the_first_step_is_adams(whole: PretrainingRun) -> None:
    """Without weight decay each number moves by the learning rate against its gradient's sign."""
    rate = RECIPE.learning_rate / RECIPE.warmup_steps
    before, after = whole.snapshots[0], whole.snapshots[1]
    moved = torch.cat([(after[n] - before[n]).abs() for n in before if before[n].ndim == 1])
    assert whole.rows[0].learning_rate == pytest.approx(rate)
    assert moved.max() <= 1.001 * rate
    assert moved.median() == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("steps", [[], [-1], [0, RECIPE.steps + 1]])
def test_steps_outside_of_the_schedule_are_refused(steps: list[int]) -> None:
    with pytest.raises(UserError, match=f"schedule of this recipe has {RECIPE.steps} steps"):
        pretrain(untrained(), RECIPE, steps)


def test_a_recipe_and_the_code_know_the_same_towers() -> None:
    for recipe, towers in ((Contrastive, TOWERS), (Supervised, supervised.TOWERS)):
        named = typing.get_args(recipe.model_fields["tower"].annotation)
        assert set(named) == set(towers)


def test_a_schedule_leaves_incomplete_batches_out() -> None:
    for epochs, batch_size, steps in ((1, 40, 1), (3, 7, 15), (2, 16, 4)):
        entry = ENTRY | {"epochs": epochs, "batch_size": batch_size}
        assert read_recipe(json.dumps(entry))[1].steps == steps


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"objective": "guessing"}',
            "is no recipe .*'guessing'.*'contrastive'",
        ),
        (json.dumps(ENTRY | {"image": 3}), "is no recipe .*image: Extra"),
        (json.dumps(ENTRY | {"tower": "cnn"}), "tower: .*'vit' or 'convnext'"),
        ("[1]", "is no recipe"),
    ],
)
def test_a_wrong_recipe_is_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_recipe(text)


@pytest.fixture(scope="module")
def convnext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes of a ConvNeXt's recipe: the steps 0 and 4."""
    folder = tmp_path_factory.mktemp("pretraining")
    metrics = [folder / f"step{step}" / "metrics.json" for step in (0, 4)]
    recipe = json.dumps(ENTRY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrastive, "EVALUATION_IMAGES", 40)
        script.run(script.Arguments(recipe=recipe, metrics=metrics, history=folder / "log.csv"))
    return folder


def test_the_script_leaves_a_folder_per_step_and_no_state(convnext: Path) -> None:
    names = {path.relative_to(convnext).as_posix() for path in convnext.rglob("*.*")}
    files = ("metrics.json", "model.safetensors", "open_clip_config.json")
    assert names == {"log.csv", *(f"step{n}/{file}" for n in (0, 4) for file in files)}
    assert [int(row["step"]) for row in read_csv(convnext / "log.csv")] == [1, 2, 3, 4]
    metrics = read_json(convnext / "step4" / "metrics.json")
    assert metrics["step"] == 4 and 0 <= metrics["zero_shot_control"] <= 1


def test_a_pretrained_convnext_is_a_model_of_a_study(convnext: Path, tmp_path: Path) -> None:
    entry = {"source": "pretraining", "recipe": ENTRY, "step": 4, "folder": f"{convnext}/step4"}
    fetch(entry).write(tmp_path, {})
    encoder = load_encoder(tmp_path)
    kept, _ = read_safetensors(convnext / "step4" / "model.safetensors")
    of_encoder = {f"visual.{name}": value for name, value in encoder.state_dict().items()}
    assert of_encoder.keys() == {name for name in kept if name.startswith("visual.")}
    assert all(torch.equal(value, kept[name].float()) for name, value in of_encoder.items())
    assert preprocess_config(tmp_path)["size"] == (32, 32)

    module, recipe = read_recipe(json.dumps(ENTRY))
    torch.manual_seed(recipe.seed)
    objective = module.prepare(recipe)
    model = objective.model
    model.load_state_dict(pretrain(objective, recipe, [4]).snapshots[4])
    images = normalise(torch.randint(256, (5, 32, 32, 3), dtype=torch.uint8).numpy())
    with torch.no_grad():
        found, expected = encoder(images), model.eval().encode_image(images)
    # The file has 11 bits of each weight.
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.01)
