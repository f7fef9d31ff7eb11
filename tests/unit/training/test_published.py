"""Published checkpoints: what transformers computes with them is what our encoder does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from published_weights import TINY, Base, as_transformers, make_base
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tangent.arithmetic.task_vector import TaskVector
from tangent.jobs.files import read_metadata, sha256_file
from tangent.models.encoders import load_encoder

RESNET = {**TINY, "vision_cfg": {"layers": [1, 1, 1, 1], "width": 8, "image_size": 32}}


def features(model: nn.Module, images: Tensor, projection: Tensor) -> tuple[Tensor, Tensor]:
    """Pooled output of transformers' model, before and after the projection."""
    vision = getattr(model, "vision_model", model)
    with torch.no_grad():
        pooled = vision(pixel_values=images).pooler_output
        if hasattr(model, "visual_projection"):
            return pooled, model.visual_projection(pooled)
        return pooled, pooled @ projection


def check_features(base: Base, written: Path, model: nn.Module, size: int) -> None:
    images = torch.randn(2, 3, size, size)
    pooled, projected = features(model, images, base.theta0["proj"])
    encoder = load_encoder(base.folder, written)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), projected, rtol=1e-4, atol=1e-4)
        encoder.proj = None
        torch.testing.assert_close(encoder(images), pooled, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["CLIPVisionModel", "CLIPVisionModelWithProjection", "CLIPModel"])
@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_features_are_those_of_transformers(base, imported, tmp_path, kind, ending):
    model = as_transformers(base, kind)
    if ending == "bin":
        path = tmp_path / "pytorch_model.bin"
        torch.save(model.state_dict(), path)
    else:
        model.save_pretrained(tmp_path / "saved")
        path = tmp_path / "saved" / "model.safetensors"
    written = imported(path)
    check_features(base, written, model, size=32)
    about = json.loads(read_metadata(written)["published"])
    assert about["layout"] == "Hugging Face CLIP"
    assert about["from_base"] == (["proj"] if kind == "CLIPVisionModel" else [])


def test_features_are_those_of_transformers_in_the_shape_of_vit_b_32(imported, tmp_path, seed):
    model_cfg = open_clip.get_model_config("ViT-B-32-quickgelu")
    vision = {**model_cfg["vision_cfg"], "image_size": 224}
    base = make_base(tmp_path / "b32", {**TINY, "embed_dim": 512, "vision_cfg": vision})
    assert sum(value.numel() for value in base.theta0.values()) == 87_849_216
    model = as_transformers(base, "CLIPVisionModel")
    model.save_pretrained(tmp_path / "saved")
    written = imported(tmp_path / "saved" / "model.safetensors", base)
    check_features(base, written, model, size=224)


def test_names_of_older_versions_of_transformers(base, imported, tmp_path):
    model = as_transformers(base, "CLIPVisionModelWithProjection")
    tensors = {n: t for n, t in model.state_dict().items() if n.startswith("vision_model.")}
    tensors["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    save_file(tensors, tmp_path / "older.safetensors")
    written = imported(tmp_path / "older.safetensors")
    theta0 = base.theta0
    assert torch.equal(load_file(written)["proj"], theta0["proj"])
    model.visual_projection.weight.data = theta0["proj"].T.contiguous()
    check_features(base, written, model, size=32)


class Holder(nn.Module):
    """An encoder as the paper's authors hold it: the whole CLIP as an attribute."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


def test_every_form_of_open_clips_weights_gives_the_same_bits(base, imported, tmp_path):
    clip, encoder = base.finetuned, base.finetuned.visual
    held = Holder(clip).state_dict()
    wrapped = {"epoch": 3, "name": "run", "state_dict": nn.DataParallel(clip).state_dict()}
    contents = {
        "encoder.pt": encoder.state_dict(),
        "parameters.pth": {name: value for name, value in encoder.named_parameters()},
        "whole.pt": clip.state_dict(),
        "training.ckpt": wrapped,
        "held.bin": held,
        "without_text.pt": {n: v for n, v in held.items() if not n.startswith("model.tr")},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
    torch.save(clip.state_dict(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(clip.state_dict(), tmp_path / "whole.safetensors")
    save_file(encoder.state_dict(), tmp_path / "encoder.safetensors")
    expected = base.theta_star
    for name in [*contents, "old.pt", "whole.safetensors", "encoder.safetensors"]:
        state = load_file(imported(tmp_path / name))
        assert state.keys() == expected.keys(), name
        assert all(torch.equal(state[key], expected[key]) for key in expected), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(base, imported, tmp_path, dtype):
    expected = {name: value.to(dtype) for name, value in base.theta_star.items()}
    save_file(expected, tmp_path / "other.safetensors")
    state = load_file(imported(tmp_path / "other.safetensors"))
    assert all(torch.equal(state[name], expected[name].float()) for name in expected)
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_buffers_are_taken_and_are_no_part_of_the_task_vector(imported, script, tmp_path, seed):
    base = make_base(tmp_path / "resnet", RESNET)
    base.finetuned.visual.bn1.num_batches_tracked += 7
    base.finetuned.visual.bn1.running_mean += 1
    torch.save(base.finetuned.state_dict(), tmp_path / "resnet.pt")
    written = imported(tmp_path / "resnet.pt", base)
    state = load_file(written)
    assert state["bn1.num_batches_tracked"] == 7 and state["bn1.running_mean"].min() == 1
    buffers = dict(base.finetuned.visual.named_buffers())
    assert set(json.loads(read_metadata(written)["buffers"])) == set(buffers)


def test_the_task_vector_of_an_imported_encoder(base, imported, script, tmp_path):
    model = as_transformers(base, "CLIPVisionModel")
    model.save_pretrained(tmp_path / "saved")
    written = imported(tmp_path / "saved" / "model.safetensors")
    initial, output = base.folder / "encoder.safetensors", tmp_path / "tau.safetensors"
    script("extract_task_vector", initial_encoder=initial, finetuned_encoder=written, output=output)
    tau, theta0 = TaskVector.load(output), base.theta0
    assert not tau["proj"].any()
    difference = base.theta_star["conv1.weight"] - theta0["conv1.weight"]
    assert torch.equal(tau["conv1.weight"], difference)
    about = read_metadata(output)
    assert (about["model"], about["training"], about["task"]) == ("tiny", "standard", "cars")

    published = json.loads(read_metadata(written)["published"])
    held = [name for name in theta0 if name != "proj"]
    change = np.concatenate([tau[name].numpy().ravel() for name in held])
    start = np.concatenate([theta0[name].numpy().ravel() for name in held])
    distance = np.linalg.norm(change) / np.linalg.norm(start)
    assert published["relative_distance"] == pytest.approx(distance, rel=1e-4)
    assert 0.01 < distance < 0.1
    path = tmp_path / "saved" / "model.safetensors"
    assert published["sha256"] == published["entry"]["sha256"] == sha256_file(path)
    inputs = json.loads(read_metadata(written)["provenance"])["inputs"]
    assert inputs[str(path)] == sha256_file(path) and str(initial) in inputs
