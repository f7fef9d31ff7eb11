"""Published checkpoints that are refused, with what is wrong and what to do."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from published_weights import TINY, Base, as_transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file


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
        ({"path": str(tmp_path)}, "cannot be read: it is no regular file, but a folder"),
        ({"source": "disk"}, f"{key}: unknown source 'disk': choose one of file, hub"),
        ({"source": "hub"}, f"{key}.repository: .*takes the keys repository, revision, file"),
    ]:
        with pytest.raises(UserError, match=message):
            imported(path, entry=changes)
    assert not (tmp_path / "published").exists()
