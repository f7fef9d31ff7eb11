"""Published checkpoints: what transformers computes with them is what our encoder does."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tangent.errors import UserError
from tangent.files import read_metadata, sha256_file, write_json, write_safetensors
from tangent.models import load_encoder
from tangent.published import hugging_face
from tangent.task_vector import TaskVector

TINY = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32},
    "text_cfg": {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1},
}
RESNET = {**TINY, "vision_cfg": {"layers": [1, 1, 1, 1], "width": 8, "image_size": 32}}


@dataclass(frozen=True)
class Base:
    """A pre-trained model's folder and fine-tuned weights of it.

    Attributes:
        folder: open_clip_config.json and encoder.safetensors, θ0.
        model_cfg: open_clip's architecture.
        finetuned: the whole CLIP model with θ* = θ0 + noise of a few per cent.
    """

    folder: Path
    model_cfg: dict
    finetuned: nn.Module

    @property
    def theta0(self) -> dict[str, Tensor]:
        return load_file(self.folder / "encoder.safetensors")

    @property
    def theta_star(self) -> dict[str, Tensor]:
        return dict(self.finetuned.visual.state_dict())


def randomize(module: nn.Module, size: float) -> None:
    """Noise on every parameter: at initialisation, swapped norms or biases would go unnoticed."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(size * torch.randn_like(parameter))


def make_base(folder: Path, model_cfg: dict = TINY) -> Base:
    model = open_clip.CLIP(**model_cfg).eval()
    randomize(model, 0.05)
    write_json(folder / "open_clip_config.json", {"model_cfg": model_cfg})
    source = json.dumps({"source": "open_clip", "name": "tiny-quickgelu", "tag": "openai"})
    metadata = {"model": "tiny", "provenance": json.dumps({"settings": {"source": source}})}
    write_safetensors(folder / "encoder.safetensors", model.visual.state_dict(), metadata)
    randomize(model, 0.002)
    return Base(folder, model_cfg, model)


@pytest.fixture
def base(tmp_path, seed) -> Base:
    return make_base(tmp_path / "tiny")


@pytest.fixture
def imported(base, script, tmp_path) -> Callable[..., Path]:
    """Import a file of this machine with the script; returns what it wrote."""

    def run(path: Path, base: Base = base, entry: dict | None = None) -> Path:
        output = tmp_path / "published" / "encoder.safetensors"
        entry = {"source": "file", "path": str(path), "sha256": sha256_file(path), **(entry or {})}
        script(
            "import_finetuned",
            source=json.dumps(entry),
            pretrained_dir=base.folder,
            initial_encoder=base.folder / "encoder.safetensors",
            training="standard",
            task="cars",
            model="tiny",
            output=output,
        )
        return output

    return run


def as_transformers(base: Base, kind: str) -> nn.Module:
    """A model of transformers with the weights θ*; the names are transformers' to accept."""
    vision = base.model_cfg["vision_cfg"]
    vision_config = {
        "hidden_size": vision["width"],
        "intermediate_size": 4 * vision["width"],
        "num_hidden_layers": vision["layers"],
        "num_attention_heads": vision["width"] // vision.get("head_width", 64),
        "patch_size": vision["patch_size"],
        "image_size": vision["image_size"],
        "projection_dim": base.model_cfg["embed_dim"],
        "hidden_act": "quick_gelu",
    }
    if kind == "CLIPModel":
        text = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1,
                "num_hidden_layers": 1, "vocab_size": 8, "max_position_embeddings": 4,
                "bos_token_id": 0, "eos_token_id": 1}  # fmt: skip
        config = transformers.CLIPConfig(
            text_config=text,
            vision_config=vision_config,
            projection_dim=base.model_cfg["embed_dim"],
        )
    else:
        config = transformers.CLIPVisionConfig(**vision_config)
    model = getattr(transformers, kind)(config).eval()
    layout = hugging_face.detect(model.state_dict())
    weights = {}
    for name, value in base.theta_star.items():
        if origin := layout.origin(name):
            weights |= origin.split(value)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.startswith(("text_", "logit")) for name in missing)
    return model


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


def tensors_of(base: Base) -> dict[str, Tensor]:
    return dict(as_transformers(base, "CLIPVisionModelWithProjection").state_dict())


def with_vision(**changes: int) -> dict[str, Tensor]:
    vision = {**TINY["vision_cfg"], **changes}
    return dict(open_clip.CLIP(**{**TINY, "vision_cfg": vision}).visual.state_dict())


def changed(tensors: dict[str, Tensor], name: str, index: int, value: float) -> dict[str, Tensor]:
    tensor = tensors[name].clone()
    tensor.view(-1)[index] = value
    return {**tensors, name: tensor}


QUERY = "vision_model.encoder.layers.1.self_attn.q_proj.weight"
BAD_TENSORS = {
    "the key transformer.resblocks.1.ln_1.weight is missing": lambda b: with_vision(layers=1),
    r"the key transformer\.resblocks\.2\..* is unexpected": lambda b: with_vision(layers=3),
    r"class_embedding has shape \[48\] and not \[32\]": lambda b: with_vision(width=48),
    r"conv1.weight has shape \[32, 3, 16, 16\] and not": lambda b: {
        **with_vision(patch_size=16),
        "positional_embedding": b.theta0["positional_embedding"],
    },
    f"the key {QUERY} is missing": lambda b: {
        name: value for name, value in tensors_of(b).items() if name != QUERY
    },
    "the key visual_projection.bias is unexpected": lambda b: {
        **tensors_of(b),
        "visual_projection.bias": torch.zeros(24),
    },
    "the key visual.head.weight is unexpected": lambda b: {
        **b.finetuned.state_dict(),
        "visual.head.weight": torch.zeros(3),
    },
    r"was not fine-tuned from tiny \(open_clip, tiny-quickgelu, openai\): .* is 1\.[0-9]+;": (
        lambda b: {n: v[torch.randperm(len(v))] for n, v in b.theta_star.items()}
    ),
    r"holds the weights of tiny \(open_clip, tiny-quickgelu, openai\) itself": lambda b: b.theta0,
    "holds the weights of tiny .* itself, not fine-tuned ones": lambda b: {
        name: value.half() for name, value in b.theta0.items()
    },
    "ln_post.bias holds NaN or infinity": lambda b: changed(
        b.theta_star, "ln_post.bias", 3, math.nan
    ),
    f"{QUERY} holds NaN or infinity": lambda b: changed(tensors_of(b), QUERY, 5, -math.inf),
    "ln_post.weight holds torch.int8: give the weights as floating-point": lambda b: {
        **b.theta_star,
        "ln_post.weight": b.theta_star["ln_post.weight"].to(torch.int8),
    },
}  # fmt: skip


@pytest.mark.parametrize("message", BAD_TENSORS)
def test_weights_that_do_not_fit_are_refused(base, imported, tmp_path, message):
    path = tmp_path / "bad.safetensors"
    save_file(BAD_TENSORS[message](base), path)
    with pytest.raises(UserError, match=message) as caught:
        imported(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "published").exists()


class Harmful:
    """Leaves a trace where its file is loaded as an object."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def save_and_cut(save: Callable[..., None], base: Base, path: Path, **options: bool) -> None:
    save(base.theta_star, path, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * random.random())])


BAD_FILES = {
    ("module.pt", r"pickled objects \(.*Linear.*\), not only tensors.*runs code.*state_dict\(\)"): (
        lambda b, path: torch.save(nn.Linear(2, 2), path)
    ),
    ("script.pt", r"pickled objects \(a TorchScript program\)"): lambda b, path: torch.jit.save(
        torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path
    ),
    ("old.pt", r"pickled objects \(.*Linear\), not only tensors"): lambda b, path: torch.save(
        nn.Linear(2, 2), path, _use_new_zipfile_serialization=False
    ),
    ("harmful.bin", r"pickled objects \(.*\), not only tensors"): lambda b, path: torch.save(
        {"weight": Harmful(path.parent / "trace")}, path
    ),
    ("cut.safetensors", "not a complete safetensors file.*fetch it again"): lambda b, path: (
        save_and_cut(save_file, b, path)
    ),
    ("cut.pt", "not a complete torch file.*fetch it again"): lambda b, path: (
        save_and_cut(torch.save, b, path)
    ),
    ("cut_old.pt", "not a complete torch file"): lambda b, path: save_and_cut(
        torch.save, b, path, _use_new_zipfile_serialization=False
    ),
    ("page.pt", "not a complete torch file"): lambda b, path: path.write_text("<html>404</html>"),
    ("empty.pt", "not a complete torch file"): lambda b, path: path.write_bytes(b""),
    ("list.pt", "holds a list, not a state dict"): lambda b, path: torch.save([1, 2], path),
    ("number.pt", "conv1.bias is of type int, not a tensor with a name"): lambda b, path: (
        torch.save({**b.theta_star, "conv1.bias": 0}, path)
    ),
    ("nothing.pt", "holds no tensors"): lambda b, path: torch.save({}, path),
    ("weights.npz", "must be one of .safetensors, .pt"): lambda b, path: np.savez(
        path.open("wb"), weight=np.zeros(3)
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit", "ignore:.*TorchScript")
@pytest.mark.parametrize(("name", "message"), BAD_FILES)
def test_files_that_hold_no_weights_are_refused(base, imported, tmp_path, name, message):
    path = tmp_path / name
    BAD_FILES[name, message](base, path)
    with pytest.raises(UserError, match=message) as caught:
        imported(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "published").exists() and not (tmp_path / "trace").exists()


def test_the_recommended_way_out_of_a_pickled_module_works(base, imported, tmp_path):
    torch.save(base.finetuned, tmp_path / "module.pt")
    with pytest.raises(UserError, match="weights.pt") as caught:
        imported(tmp_path / "module.pt")
    command = str(caught.value).partition("the weights alone: ")[2]
    command = command.replace("'module.pt'", repr(str(tmp_path / "module.pt")))
    exec(command.replace("'weights.pt'", repr(str(tmp_path / "weights.pt"))), {"torch": torch})
    state = load_file(imported(tmp_path / "weights.pt"))
    assert all(torch.equal(state[name], value) for name, value in base.theta_star.items())


def test_wrong_entries_are_answered_with_what_is_allowed(base, imported, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(base.theta_star, path)
    key = r"published\.tiny\.standard\.cars"
    wrong = "0" * 64
    for changes, message in [
        ({"sha256": wrong}, rf"SHA-256 is {sha256_file(path)}.*\({key}\.sha256\) expects {wrong}"),
        ({"path": str(tmp_path / "none.pt")}, "none.pt does not exist"),
        ({"path": str(tmp_path)}, rf"cannot be read \(Is a directory\): {key}\.path must name"),
        ({"source": "disk"}, f"{key}: unknown source 'disk': choose one of hub, file"),
        ({"source": "hub"}, f"{key}: source 'hub' takes exactly the keys repository, revision"),
    ]:
        with pytest.raises(UserError, match=message):
            imported(path, entry=changes)
    assert not (tmp_path / "published").exists()
