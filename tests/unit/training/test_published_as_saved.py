"""Published weights as people save them: wrappers, what else a checkpoint holds, adapters."""

from __future__ import annotations

import argparse
import itertools
import random
import re

import numpy as np
import pytest
import torch

from tangent.jobs.errors import UserError
from tangent.models.encoders import load_encoder
from tangent.models.published.conversion import layout_of, load_checkpoint


@pytest.fixture
def encoder(pretrained):
    return load_encoder(pretrained)


@pytest.fixture
def tuned(encoder):
    state = encoder.state_dict()
    return {
        name: value + 0.02 * value.abs().mean() * torch.randn_like(value)
        if value.is_floating_point()
        else value
        for name, value in state.items()
    }


def read(content, encoder, folder, name="published.pt"):
    torch.save(content, folder / name)
    return load_checkpoint(folder / name, encoder, "the base").state


def is_same(state, tuned):
    return all(torch.equal(state[name], value) for name, value in tuned.items())


WRAPPERS = ("module.", "_orig_mod.", "model.")


@pytest.mark.parametrize(
    "prefix",
    map("".join, [*itertools.permutations(WRAPPERS, 2), *itertools.permutations(WRAPPERS)]),
)
def test_names_of_wrappers_come_off_in_any_order(prefix, encoder, tuned, tmp_path):
    prefixed = {prefix + name: value for name, value in tuned.items()}
    assert is_same(read(prefixed, encoder, tmp_path), tuned)


@pytest.mark.parametrize(
    "wrapper", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."]
)
def test_names_of_wrapped_parts_come_off(wrapper, encoder, tuned, tmp_path):
    inside = {re.sub(r"(resblocks\.\d+\.)", rf"\1{wrapper}", n): v for n, v in tuned.items()}
    assert inside.keys() != tuned.keys()
    assert is_same(read(inside, encoder, tmp_path), tuned)
    outside = {wrapper + name: value for name, value in inside.items()}
    assert is_same(read(outside, encoder, tmp_path), tuned)


def test_a_missing_key_is_shown_with_the_nearest_that_is_there(encoder, tuned, tmp_path):
    name = random.choice(list(tuned))
    wrong = {f"net.{n}" if n == name else n: value for n, value in tuned.items()}
    message = rf"the key {re.escape(name)} is missing \(it holds net\.{re.escape(name)}\)"
    with pytest.raises(UserError, match=message):
        read(wrong, encoder, tmp_path)
    tuned["net.x"] = torch.zeros(1)  # like none that is missing
    with pytest.raises(UserError, match=r"the key net\.x is unexpected\. "):
        read(tuned, encoder, tmp_path)


@pytest.mark.parametrize("kind", ["sparse", "meta", "nested"])
def test_tensors_without_plain_numbers_are_named(kind, encoder, tuned, tmp_path):
    name = next(n for n, value in tuned.items() if value.dim() == 2)
    change = {
        "sparse": lambda value: value.to_sparse(),
        "meta": lambda value: value.to("meta"),
        "nested": lambda value: torch.nested.nested_tensor(list(value)),
    }[kind]
    tuned[name] = change(tuned[name])
    with pytest.raises(UserError, match=rf"{re.escape(name)} is sparse, nested or without values"):
        read(tuned, encoder, tmp_path)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_a_state_dict_beside_numbers_is_found(key, encoder, tuned, tmp_path):
    content = {key: tuned, "epoch": 3, "best": 0.9, "optimizer": {"state": {}}}
    assert is_same(read(content, encoder, tmp_path), tuned)


def with_objects(tuned, encoder):
    return {
        "a namespace": {"state_dict": tuned, "args": argparse.Namespace(lr=1e-5)},
        "a numpy number": {"model": tuned, "best": np.float64(0.9)},
        "both among the tensors": tuned | {"args": argparse.Namespace(), "best": np.float64(1)},
        "an optimizer": {
            "model_state_dict": tuned,
            "optimizer": torch.optim.SGD(encoder.parameters(), lr=0.1),
        },
        "a module": encoder,
    }


@pytest.mark.parametrize("kind", with_objects({}, torch.nn.Linear(1, 1)))
def test_the_way_out_that_a_message_prints_works_on_that_file(
    kind, encoder, tuned, tmp_path, monkeypatch
):
    content = with_objects(tuned, encoder)[kind]
    with pytest.raises(UserError, match="holds pickled objects") as caught:
        read(content, encoder, tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"torch\.save\(.*\)", str(caught.value))[0], {"torch": torch})
    saved = torch.load("weights.pt", weights_only=True)
    expected = encoder.state_dict() if kind == "a module" else tuned
    assert saved.keys() == expected.keys() and is_same(saved, expected)
    if kind != "a module":
        assert is_same(load_checkpoint(tmp_path / "weights.pt", encoder, "it").state, tuned)


@pytest.mark.parametrize(
    "name",
    [
        *("lora_A.weight", "lora_B.default.weight", "lora_embedding_A", "lora_down.weight"),
        *("lora_magnitude_vector", "oft_R.weight", "hada_w1_a", "vera_lambda_b", "boft_R"),
    ],
)
def test_an_adapter_is_named_as_one(name, encoder, tmp_path):
    content = {f"base_model.model.transformer.resblocks.0.mlp.c_fc.{name}": torch.ones(4, 64)}
    with pytest.raises(UserError, match=r"is an adapter \(it holds .*merge_and_unload"):
        read(content, encoder, tmp_path)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model-00001-of-00003.pt", r"one file of several \(-00001-of-00003\)"),
        ("pytorch_model-2-of-2.bin", r"one file of several \(-2-of-2\)"),
    ],
)
def test_a_part_of_the_weights_is_named_as_one(name, what, encoder, tuned, tmp_path):
    with pytest.raises(UserError, match=what):
        read(tuned, encoder, tmp_path, name)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(UserError, match="is an index, not all weights"):
        load_checkpoint(tmp_path / "model.safetensors.index.json", encoder, "it")


DAMAGES = {
    "is the transpose of": lambda value: value.T.clone(),
    "holds zeros, unlike": torch.zeros_like,
    "is 3 times": lambda value: 3 * value,
    "is 0.5 times": lambda value: value / 2,
    "is -1 times": lambda value: -value,
    "has a relative distance of 1": lambda value: value[torch.randperm(len(value))],
}


@pytest.mark.parametrize("problem", list(DAMAGES))
def test_one_tensor_among_many_that_is_not_the_bases_is_named(problem, encoder, tuned, tmp_path):
    """Each leaves the relative distance of all weights together below the limit."""
    names = [
        name
        for name, value in encoder.named_parameters()
        if value.dim() > 1 or (problem[:3] not in ("is ", "has") and value.any())
    ]
    if "transpose" in problem:
        names = [n for n in names if tuned[n].dim() == 2 and len(set(tuned[n].shape)) == 1]
    names.sort(key=lambda name: tuned[name].norm())
    name = random.choice(names[: (len(names) + 1) // 2])
    tuned[name] = DAMAGES[problem](tuned[name])
    with pytest.raises(UserError, match=re.escape(f"published.pt: {name} {problem}")):
        read(tuned, encoder, tmp_path)


def test_queries_and_keys_of_transformers_that_changed_places_are_named(encoder, tuned, tmp_path):
    layout = layout_of(["encoder.layers."])
    theirs = {k: v for name, value in tuned.items() for k, v in layout.split(name, value).items()}
    query, key = (f"encoder.layers.1.self_attn.{kind}_proj.weight" for kind in "qk")
    theirs[query], theirs[key] = theirs[key], theirs[query]
    with pytest.raises(UserError, match=r"\.[qk]_proj\.weight has a relative distance of 1"):
        read(theirs, encoder, tmp_path)
