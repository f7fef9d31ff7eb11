"""Model sources and loading: what open_clip reads is what we read, and faults are named."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import torch
from hub_server import Repository, serve
from safetensors.torch import load_file, save_file

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, sha256_file, write_json
from tangent.models.clip import load_model
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.fetch.fetching import fetch

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_open_clip_reads_the_folder_with_the_same_features(pretrained, clip):
    theirs = open_clip.create_model(f"local-dir:{pretrained}").eval()
    with torch.no_grad():
        expected = clip.encode_image(IMAGES)
        assert torch.equal(theirs.encode_image(IMAGES), expected)
        assert torch.equal(load_model(pretrained).encode_image(IMAGES), expected)
        assert torch.equal(load_encoder(pretrained)(IMAGES), expected)


def test_the_preprocessing_is_the_sources_completed_by_open_clips_defaults(pretrained):
    theirs = open_clip.get_model_preprocess_cfg(open_clip.create_model(f"local-dir:{pretrained}"))
    ours = preprocess_config(pretrained)
    assert ours["size"] == (32, 32) and theirs["size"] in (32, (32, 32))
    assert {name: ours[name] for name in ("mean", "std")} == {
        "mean": (0.5, 0.4, 0.3),
        "std": (0.3, 0.25, 0.2),
    }
    assert ours["resize_mode"] == theirs["resize_mode"] == "shortest"


def test_an_encoder_with_buffers_keeps_them(tmp_path):
    vision = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 32}
    config = {"embed_dim": 8, "vision_cfg": vision}
    write_json(tmp_path / "open_clip_config.json", {"model_cfg": config})
    text = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}
    encoder = open_clip.CLIP(**config, text_cfg=text).visual.eval()
    save_file(encoder.state_dict(), tmp_path / "encoder.safetensors")

    loaded = load_encoder(tmp_path)

    with torch.no_grad():
        assert torch.equal(loaded(IMAGES), encoder(IMAGES))
    assert loaded.bn1.num_batches_tracked.dtype == torch.int64


def test_the_loaded_encoder_does_not_share_the_files_memory(pretrained):
    path = pretrained / "encoder.safetensors"
    encoder = load_encoder(pretrained)
    with torch.no_grad():
        next(encoder.parameters()).add_(1)
    name = next(iter(dict(encoder.named_parameters())))
    assert not torch.equal(load_file(path)[name], encoder.get_parameter(name))


def test_random_encoders_differ_by_seed_only(pretrained, script, tmp_path):
    states = []
    for index, seed in enumerate((0, 0, 1)):
        output = tmp_path / f"{index}.safetensors"
        script("initialize_random", pretrained_dir=pretrained, seed=seed, output=output)
        states.append(load_file(output))
        load_encoder(pretrained, output)
    name = "conv1.weight"
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0][name], states[2][name])
    assert not torch.equal(states[0][name], load_encoder(pretrained).get_parameter(name))


def test_a_wrong_sha256_names_both_and_the_remedy(source):
    wrong = "0" * 64
    with pytest.raises(UserError, match="SHA-256") as caught:
        fetch({**source, "sha256": wrong})
    message = str(caught.value)
    assert source["sha256"] in message and wrong in message
    assert source["folder"] in message and "fetch it again" in message


def test_a_truncated_encoder_is_named(pretrained, tmp_path):
    whole = (pretrained / "encoder.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut\.safetensors is not a complete safetensors file"):
        load_encoder(pretrained, cut)


def test_wrong_weights_are_refused_with_the_first_bad_key(pretrained, tmp_path):
    tensors = load_file(pretrained / "encoder.safetensors")
    path = tmp_path / "encoder.safetensors"
    faults = {
        "the key class_embedding is missing": {"class_embedding": None},
        "the key other is unexpected": {"other": torch.zeros(1)},
        r"proj has shape \[1, 2\] and not \[32, 24\]": {"proj": torch.zeros(1, 2)},
    }
    for message, change in faults.items():
        changed = {**tensors, **change}
        changed = {name: value for name, value in changed.items() if value is not None}
        save_file(changed, path)
        with pytest.raises(UserError, match=message) as caught:
            load_encoder(pretrained, path)
        assert str(path) in str(caught.value)


def test_a_whole_model_that_does_not_fit_is_refused(source, tmp_path):
    for name in ("model.safetensors", "open_clip_config.json"):
        (tmp_path / name).write_bytes((Path(source["folder"]) / name).read_bytes())
    config = read_json(tmp_path / "open_clip_config.json")
    config["model_cfg"]["vision_cfg"]["layers"] = 3
    write_json(tmp_path / "open_clip_config.json", config)
    weights = tmp_path / "model.safetensors"
    entry = {"source": "file", "image_size": 32, "folder": str(tmp_path)}
    entry["sha256"] = sha256_file(weights)
    first = r"Missing key.*visual\.transformer\.resblocks\.2"
    with pytest.raises(UserError, match=first) as caught:
        fetch(entry)
    assert str(weights) in str(caught.value)


def test_openai_weights_without_quickgelu_are_refused():
    with pytest.raises(UserError, match="Set name to ViT-B-32-quickgelu"):
        fetch({"source": "open_clip", "name": "ViT-B-32", "tag": "openai", "image_size": 224})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"source": "open_clip", "name": "ViT-B-23", "tag": "openai", "image_size": 224},
            "Did you mean ViT-B-32",
        ),
        (
            {"source": "open_clip", "name": "ViT-B-32", "tag": "opnai", "image_size": 224},
            "its tags are openai",
        ),
        ({"source": "hub", "name": "x"}, "unknown source 'hub': choose one of file, open_clip"),
        ({"source": "file", "folder": "x"}, "pretrained.image_size: field required"),
        ({"source": "file", "folder": "x"}, "'file' takes the keys image_size, folder, sha256"),
    ],
)
def test_bad_entries_are_answered_with_what_is_allowed(entry, message):
    with pytest.raises(UserError, match=message):
        fetch(entry)


def test_without_network_one_clear_message(tmp_path):
    entry = json.dumps(
        {"source": "open_clip", "name": "ViT-B-32-quickgelu", "tag": "openai", "image_size": 224}
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    flags = ["--source", entry, "--output-dir", str(tmp_path / "model")]
    answer = subprocess.run(
        [sys.executable, "-m", "scripts", "fetch_pretrained", *flags],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: pretrained: open_clip could not get ViT-B-32-quickgelu")
    assert "Check the network" in answer.stderr and "Traceback" not in answer.stderr
    assert not (tmp_path / "model").exists()


def test_a_wrong_image_size_is_answered_with_the_models_own(source):
    with pytest.raises(UserError, match=r"image_size: it says 224, but .* \(32, 32\) pixels"):
        fetch({**source, "image_size": 224})


def test_random_weights_of_an_architecture_depend_on_the_seed_alone():
    entry = {"source": "random", "image_size": 224, "name": "ViT-S-32-alt"}
    found = [fetch({**entry, "seed": seed}) for seed in (0, 0, 1)]
    first, again, other = (one.encoder["conv1.weight"] for one in found)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(first, found[0].weights["visual.conv1.weight"])
    config = found[0].config
    assert config["model_cfg"]["vision_cfg"]["image_size"] == 224 and found[0].files == []


def test_open_clips_messages_stay_out_of_the_terminal(pretrained):
    before = list(logging.getLogger().handlers)
    load_model(pretrained)
    assert logging.getLogger().handlers == before


def test_a_damaged_download_of_open_clip_is_named_with_what_to_delete(tmp_path):
    """A changed byte would be a wrong θ0 that nobody sees."""
    name = "open_clip_model.safetensors"
    repository = Repository("5a" * 20, {name: b"weights"}, ["main"], announced={name: "0" * 64})
    entry = json.dumps(
        {"source": "open_clip", "name": "ViT-B-32-quickgelu", "tag": "openai", "image_size": 224}
    )
    arguments = ["--source", entry, "--output-dir", str(tmp_path / "model")]
    outside = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    with serve({"timm/vit_base_patch32_clip_224.openai": repository}) as hub:
        done = subprocess.run(
            [sys.executable, "-m", "scripts", "fetch_pretrained", *arguments],
            capture_output=True, text=True, env=outside | hub.environment(tmp_path / "home"),
        )  # fmt: skip
    *_, message = done.stderr.strip().splitlines()
    assert done.returncode == 1 and "SHA-256 is" in message
    assert f"but the hub says {'0' * 64}" in message and f"delete {tmp_path}" in message
