"""Pre-training at the smallest scale: it learns, and what it writes open_clip can load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from tangent.demo.world import CONTROL_TASK, TASKS, pretraining_classes, pretraining_data
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, read_safetensors, sha256_file, write_json
from tangent.models.compact_checkpoint import TOKEN_IDS, expand
from tangent.training.pretraining.contrastive import (
    FULL_VOCABULARY,
    Vocabulary,
    build_model,
    checkpoint,
    contrastive_loss,
    held_out_accuracy,
    open_clip_config,
    prepare,
    prompts,
    zero_shot_accuracies,
)
from tangent.training.pretraining.recipes import Contrastive, read_recipe
from tangent.training.pretraining.steps import pretrain

SHIPPED = Path(__file__).parents[2] / "pretrained" / "demo-vit"
ENTRY = {
    "objective": "contrastive", "tower": "vit", "images": 512, "epochs": 4, "batch_size": 128,
    "learning_rate": 1e-3, "seed": 0, "threads": 1,
}  # fmt: skip


class Short(Contrastive):
    warmup_steps: ClassVar[int] = 4


RECIPE = Short(**ENTRY)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(RECIPE.seed)
    objective = prepare(RECIPE)
    return objective, pretrain(objective, RECIPE, [RECIPE.steps])


def test_a_few_steps_reduce_the_loss(trained) -> None:
    rows = trained[1].rows
    assert [row.step for row in rows] == list(range(1, RECIPE.steps + 1))
    first, last = (sum(row.loss for row in part) / 3 for part in (rows[:3], rows[-3:]))
    assert last < first - 0.3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": 127}, "batch_size from 2 to the number of examples .127"),
        ({"batch_size": 1}, "batch_size: .* greater than or equal to 2"),
        ({"epochs": 0}, "epochs: .* greater than or equal to 1"),
    ],
)
def test_a_recipe_without_a_step_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_recipe(json.dumps(ENTRY | wrong))


def test_zero_shot_accuracies_cover_all_tasks(trained) -> None:
    model, vocabulary = trained[0].model, trained[0].vocabulary
    accuracies = zero_shot_accuracies(model, vocabulary, images=16, seed=0)
    assert set(accuracies) == {*TASKS, CONTROL_TASK}
    assert all(0 <= value <= 1 for value in accuracies.values())


def test_held_out_accuracy_is_that_of_the_domains_apart(seed: int) -> None:
    """A model that tells nothing apart gets one class of each domain right: counted by hand."""
    vocabulary = Vocabulary(prompts())
    model = build_model("vit", len(vocabulary))
    with torch.no_grad():
        model.visual.proj.zero_()  # equal scores everywhere: the first class of each domain
    *_, labels = pretraining_data(200, seed)
    classes = pretraining_classes()
    first = [
        classes.index(next(one for one in classes if one[0] == domain)) for domain, _ in classes
    ]
    expected = sum(label == first[label] for label in labels) / len(labels)
    assert held_out_accuracy(model, vocabulary, 200, seed) == expected


@torch.no_grad()
def test_open_clip_loads_the_expanded_checkpoint(trained, tmp_path) -> None:
    model, vocabulary = trained[0].model, trained[0].vocabulary
    whole = expand(checkpoint(model, vocabulary), FULL_VOCABULARY)
    save_file(whole, tmp_path / "open_clip_model.safetensors")
    write_json(tmp_path / "open_clip_config.json", open_clip_config("vit"))
    source = f"local-dir:{tmp_path}"
    loaded, preprocess = open_clip.create_model_from_pretrained(source)
    texts = prompts()[:50]
    tokens = open_clip.get_tokenizer(source)(texts)
    expected = model.eval().encode_text(vocabulary.encode(texts))
    torch.testing.assert_close(loaded.encode_text(tokens), expected, rtol=0.01, atol=0.02)
    assert "Normalize" in str(preprocess)


def test_the_vocabulary_keeps_the_order_of_tokens() -> None:
    vocabulary = Vocabulary(["a red circle", "the letter q"])
    compact = vocabulary.encode(["the red letter"])
    original = open_clip.SimpleTokenizer(context_length=16)(["the red letter"])
    assert torch.equal(vocabulary.token_ids[compact], original)
    assert compact.argmax() == original.argmax() == 4
    assert int(compact.max()) == len(vocabulary) - 1


def test_the_checkpoint_names_its_tokens() -> None:
    vocabulary = Vocabulary(prompts())
    tensors = checkpoint(build_model("vit", len(vocabulary)), vocabulary)
    assert torch.equal(tensors[TOKEN_IDS], vocabulary.token_ids)
    assert all(value.dtype in (torch.float16, torch.int64) for value in tensors.values())


def test_the_loss_of_perfect_features_is_only_the_choice_among_equals() -> None:
    caption_of_image = torch.tensor([0, 1, 1, 2])
    logits = 100.0 * torch.nn.functional.one_hot(caption_of_image, 3).float()
    # Caption 1 has two images, and no score can prefer one: the entropy ln 2 for 1 of 3 captions.
    expected = torch.log(torch.tensor(2.0)) / 3 / 2
    torch.testing.assert_close(contrastive_loss(logits, caption_of_image), expected)


def test_the_shipped_checkpoint_is_what_its_metrics_say() -> None:
    metrics = read_json(SHIPPED / "metrics.json")
    assert sha256_file(SHIPPED / "model.safetensors") == metrics["sha256"]
    assert (SHIPPED / "model.safetensors").stat().st_size < 10_000_000
    assert metrics["sha256"] in (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert read_json(SHIPPED / "open_clip_config.json") == open_clip_config("vit")
    tensors, _ = read_safetensors(SHIPPED / "model.safetensors")
    vocabulary = Vocabulary(prompts())
    vocabulary.token_ids = tensors.pop(TOKEN_IDS)
    model = build_model("vit", len(vocabulary))
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    accuracies = zero_shot_accuracies(model, vocabulary, images=200, seed=2)
    # Both are shares of random images: three standard deviations of 200 are about 0.1.
    for task, accuracy in metrics["zero_shot"].items():
        assert accuracies[task] == pytest.approx(accuracy, abs=0.12), task


def test_every_prompt_is_within_the_shipped_vocabulary() -> None:
    tensors, _ = read_safetensors(SHIPPED / "model.safetensors")
    assert set(Vocabulary(prompts()).token_ids.tolist()) <= set(tensors[TOKEN_IDS].tolist())
