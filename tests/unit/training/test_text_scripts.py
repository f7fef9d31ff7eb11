"""Text tasks through the scripts: from a source to features, accuracies and a fine-tuned model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import T5Config

from tangent.data.split import load_split
from tangent.demo.text_world import build_tokenizer, pretraining_texts
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.models import t5
from tangent.models.encoders import load_encoder
from tangent.models.fetch.text_models import text_to_text
from tangent.tasks.task_files import load_task

TASK = "topic_books"
SIZES = {"train_images": 60, "test_images": 25}
CUT = {"order": "content", "validation_fraction": 0.2, "validation_maximum": 5000}
LENGTHS = {"input_length": 24, "answer_length": 2}


@pytest.fixture(scope="module")
def reference():
    """transformers' own model at random weights, its configuration, and the tokenizer."""
    tokenizer = build_tokenizer(t for pair in pretraining_texts(3000, 0) for t in pair if t)
    torch.manual_seed(0)
    sizes = {"d_model": 32, "d_kv": 32, "d_ff": 128, "num_layers": 1, "num_heads": 1}
    architecture = T5Config(vocab_size=tokenizer.get_vocab_size(), **sizes)
    config = t5.configuration(architecture, **LENGTHS)
    return t5.new_model(config).eval(), config, tokenizer


@pytest.fixture(scope="module")
def folders(script, reference, tmp_path_factory):
    """The model's folder, and the prepared data and the head of TASK."""
    root = tmp_path_factory.mktemp("texts")
    model, config, tokenizer = reference
    tokenizer.save(str(root / "tokenizer.json"))
    files = [root / "model.safetensors", root / "tokenizer.json"]
    text_to_text(model.state_dict(), config, files).write(root / "model", {})
    entry = '{"source": "demo_text", "seed": 0}'
    script("locate_dataset", task=TASK, sources=entry, output=root / "located.json", **SIZES)
    preparation = {"task": TASK, "located": root / "located.json", **SIZES, **CUT}
    script(
        "prepare_text",
        pretrained_dir=root / "model",
        output_dir=root / "data" / TASK,
        **preparation,
    )
    head = root / "heads" / TASK / "head.safetensors"
    script("build_head", pretrained_dir=root / "model", task=TASK, output=head)
    return root


def test_features_are_those_of_the_prepared_tokens(script, folders, tmp_path):
    script(
        "initial_features",
        pretrained_dir=folders / "model",
        encoder=folders / "model" / "encoder.safetensors",
        datasets_dir=folders / "data",
        dataset=TASK,
        batch_size=7,
        device="cpu",
        output_dir=tmp_path,
    )
    encoder = load_encoder(folders / "model")
    for name in ("validation", "test"):
        tokens = torch.from_numpy(np.array(load_split(folders / "data" / TASK, name).tokens))
        with torch.no_grad():
            expected = encoder(tokens)
        features = load_file(tmp_path / f"{name}.safetensors")["features"]
        torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def test_the_accuracy_is_that_of_transformers_own_losses(script, folders, reference, tmp_path):
    """Each answer's loss by transformers, from the text and not from our tokens."""
    model, _, tokenizer = reference
    features = tmp_path / "features" / TASK
    script(
        "initial_features",
        pretrained_dir=folders / "model",
        encoder=folders / "model" / "encoder.safetensors",
        datasets_dir=folders / "data",
        dataset=TASK,
        batch_size=64,
        device="cpu",
        output_dir=features,
    )
    from tangent.data.sources.locating import open_source, read_located
    from tangent.data.sources.source import Sizes
    from tangent.models.heads.stored import load_head

    task = load_task(TASK)
    source = open_source(task, read_located(folders / "located.json"), Sizes(60, None, 25))
    split = load_split(folders / "data" / TASK, "test")
    logits = load_head(folders / "heads" / TASK / "head.safetensors", "answers").logits(
        load_file(features / "test.safetensors")["features"].numpy()
    )
    from tangent.data.examined import digests

    place = {row.tobytes(): number for number, row in enumerate(np.asarray(split.hashes))}
    checked = 0
    for row, label in enumerate(source.test.labels):
        prompt = task.prompt.format(**source.test[row])
        ids = torch.tensor([tokenizer.encode(prompt).ids])
        if ids.shape[1] > LENGTHS["input_length"]:
            continue
        losses = []
        for answer in task.classes:
            target = torch.tensor([tokenizer.encode(answer).ids])
            with torch.no_grad():
                losses.append(model(input_ids=ids, labels=target).loss.item() * target.shape[1])
        number = place[digests(source.test[row], label)[1]]
        np.testing.assert_allclose(-logits[number], losses, rtol=1e-4)
        assert split.labels[number] == label
        checked += 1
    assert checked > 0


@pytest.mark.parametrize("training", ["standard", "linear"])
def test_fine_tuning_learns_from_texts(script, folders, tmp_path, training):
    script(
        "finetune",
        pretrained_dir=folders / "model",
        initial_encoder=folders / "model" / "encoder.safetensors",
        head=folders / "heads" / TASK / "head.safetensors",
        data_dir=folders / "data" / TASK,
        training=training,
        task=TASK,
        model="tiny",
        seed=0,
        epochs=4,
        batch_size=16,
        learning_rate=1e-2,
        weight_decay=0.0,
        warmup_steps=2,
        gradient_clip=1.0,
        autocast="none",
        device="cpu",
        threads=1,
        output_dir=tmp_path,
    )
    log = np.genfromtxt(tmp_path / "log.csv", delimiter=",", names=True)
    assert log["loss"][-3:].mean() < log["loss"][:3].mean() - 0.3
    trained, initial = load_file(tmp_path / "encoder.safetensors"), load_encoder(folders / "model")
    assert torch.equal(trained["table"], initial.state_dict()["table"])
    assert read_json(tmp_path / "metrics.json")["steps"] == len(log)


def test_an_image_model_is_no_model_for_texts(script, folders, pretrained, tmp_path):
    with pytest.raises(UserError, match="t5_config.json does not exist"):
        script(
            "prepare_text",
            task=TASK,
            located=folders / "located.json",
            pretrained_dir=pretrained,
            output_dir=tmp_path,
            **SIZES,
            **CUT,
        )
