"""Linearization of modules as people have them: any outputs, writes to weights, refusals."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, NamedTuple

import pytest
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.modeling_outputs import ModelOutput

from tangent import (
    MatrixFreeEigenfunctions,
    TangentEigenfunctions,
    UserError,
    jvp_features,
    linearize,
    multi_jvp_features,
    ntk_gram,
    parameters_of,
)
from tangent.arithmetic.outputs import plus, split


@dataclasses.dataclass(frozen=True)
class Answer:
    logits: Any
    others: Any = None


class Pair(NamedTuple):
    first: Any
    second: Any


class OwnDict(dict):
    pass


class OwnList(list):
    pass


class OwnTuple(tuple):
    pass


class Shaped(nn.Module):
    """Puts its features where `shape` says, beside what else there is."""

    def __init__(self, shape) -> None:
        super().__init__()
        self.layer, self.shape = nn.Linear(8, 3), shape

    def forward(self, x):
        return self.shape(self.layer(x).tanh())


OTHERS = (None, "text", 3, 2.5, object(), torch.arange(3), torch.tensor([True, False]))


def random_structure(rng, depth=0):
    """A function of a tensor to nested outputs, with the tensor in some places."""
    if depth == 3 or rng.random() < 0.3:
        if rng.random() < 0.5:
            factor = float(rng.normal())
            return lambda y: factor * y
        other = OTHERS[rng.integers(len(OTHERS))]
        return lambda y: other
    parts = [random_structure(rng, depth + 1) for _ in range(rng.integers(1, 4))]
    kinds = [
        lambda y: [part(y) for part in parts],
        lambda y: tuple(part(y) for part in parts),
        lambda y: {f"k{i}": part(y) for i, part in enumerate(parts)},
        lambda y: OwnList(part(y) for part in parts),
        lambda y: OwnTuple(part(y) for part in parts),
        lambda y: OwnDict((f"k{i}", part(y)) for i, part in enumerate(parts)),
        lambda y: Answer(parts[0](y), parts[-1](y)),
        lambda y: Pair(parts[0](y), parts[-1](y)),
    ]
    return kinds[rng.integers(len(kinds))]


def flat(outputs):
    """Leaves, those inside our dataclass too, by a walk of the test's own."""
    if isinstance(outputs, Answer):
        outputs = (outputs.logits, outputs.others)
    if isinstance(outputs, dict):
        outputs = tuple(outputs.values())
    if isinstance(outputs, list | tuple):
        return [leaf for part in outputs for leaf in flat(part)]
    return [outputs]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_outputs_keep_their_structure_and_their_gradients(rng, checkpointing):
    for _ in range(40):
        shape = random_structure(rng)
        check_structure(shape, linearize(Shaped(shape), checkpointing))


def check_structure(shape, lin):
    """Against the linearization of the tensor alone, put into the structure afterwards."""
    plain = Shaped(lambda y: y)
    plain.load_state_dict(lin.plain_state_dict())
    plain = linearize(plain)
    with torch.no_grad():
        for one, other in zip(lin.parameters(), plain.parameters(), strict=True):
            other.copy_(one.add_(0.1 * torch.randn_like(one)))
    x = torch.randn(4, 8)
    for context in (torch.no_grad(), torch.enable_grad()):
        with context:
            found, expected = lin(x), shape(plain(x))
        assert type(found) is type(expected)
        pairs = list(zip(flat(found), flat(expected), strict=True))
        for leaf, wanted in pairs:
            if torch.is_tensor(wanted) and wanted.is_floating_point():
                assert torch.allclose(leaf, wanted, atol=1e-5)
            else:
                assert leaf is wanted
    moving = [pair for pair in pairs if torch.is_tensor(pair[0]) and pair[0].requires_grad]
    if moving:
        for side in (0, 1):
            sum(pair[side].square().sum() for pair in moving).backward()
        for one, other in zip(lin.parameters(), plain.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad, atol=1e-5)


def test_rebuilt_outputs_are_of_their_types():
    model_output = ModelOutput(logits=torch.ones(2))
    tensors, rebuild = split({"a": Pair(torch.ones(1), None), "b": model_output, "c": Answer(3)})
    made = rebuild([tensor + 1 for tensor in tensors])
    assert isinstance(made["a"], Pair) and isinstance(made["b"], ModelOutput)
    assert torch.equal(made["b"].logits, torch.full((2,), 2.0)) and made["c"] == Answer(3)
    assert plus(made, made)["a"].first == 4


def tiny_models():
    ids = torch.randint(2, 90, (2, 6))
    clip = CLIP(
        16,
        CLIPVisionCfg(layers=1, width=64, head_width=32, patch_size=8, image_size=32),
        CLIPTextCfg(context_length=8, vocab_size=50, width=32, heads=2, layers=1),
    )
    images, texts = torch.randn(2, 3, 32, 32), torch.randint(1, 49, (2, 8))
    t5 = T5Config(vocab_size=100, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    t5.decoder_start_token_id = 0
    gpt2 = GPT2Config(vocab_size=100, n_embd=16, n_layer=1, n_head=2, n_positions=16)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    bert = BertConfig(vocab_size=100, intermediate_size=32, max_position_embeddings=16, **sizes)
    attended = torch.randn(2, 5, 8)
    return {
        "clip, image": (clip, {"image": images}),
        "clip, text": (clip, {"text": texts}),
        "clip, both": (clip, {"image": images, "text": texts}),
        "t5": (T5ForConditionalGeneration(t5), {"input_ids": ids, "labels": ids}),
        "gpt2": (GPT2LMHeadModel(gpt2), {"input_ids": ids}),
        "bert": (BertModel(bert), {"input_ids": ids}),
        "attention": (
            nn.MultiheadAttention(8, 2, batch_first=True),
            {"query": attended, "key": attended, "value": attended, "need_weights": False},
        ),
    }


@pytest.mark.parametrize("name", tiny_models())
def test_well_known_models_are_linearized_with_their_default_arguments(name):
    """Against derivatives by two backward passes, in float64."""
    model, inputs = tiny_models()[name]
    model = model.double().eval()
    inputs = {
        key: value.double() if torch.is_tensor(value) and value.is_floating_point() else value
        for key, value in inputs.items()
    }
    lin, theta0 = linearize(model), parameters_of(model)
    tau = {key: torch.randn_like(value) for key, value in theta0.items()}
    lin.load_parameters({key: theta0[key] + tau[key] for key in theta0})

    def along(step):
        point = {key: theta0[key] + step * tau[key] for key in theta0}
        return tuple(floats(functional_call(model, point, (), inputs)))

    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        values, slopes = torch.autograd.functional.jvp(along, torch.zeros((), dtype=torch.double))
    with torch.no_grad():
        found, at_theta0 = lin(**inputs), model(**inputs)
    assert type(found) is type(at_theta0)
    # T5 computes its softmax and norms in float32, whatever it is given.
    close = 1e-4 if name == "t5" else 1e-9
    for leaf, value, slope in zip(floats(found), values, slopes, strict=True):
        assert torch.allclose(leaf, value + slope, rtol=close, atol=close * slope.abs().max())
    gradients = []
    for checkpointing in (False, True):
        again = linearize(model, checkpointing)
        sum(leaf.square().sum() for leaf in floats(again(**inputs))).backward()
        gradients.append([value.grad for value in again.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert (one is None and other is None) or torch.allclose(one, other, atol=1e-8)


def floats(outputs):
    caches = outputs.get("past_key_values") if isinstance(outputs, ModelOutput) else None
    leaves = [leaf for leaf in tree_leaves(outputs) if torch.is_tensor(leaf)]
    inside = {id(leaf) for leaf in tree_leaves(caches)}
    return [leaf for leaf in leaves if leaf.is_floating_point() and id(leaf) not in inside]


class Writing(nn.Module):
    """Writes to one of its parameters before it uses it."""

    def __init__(self, write) -> None:
        super().__init__()
        self.body, self.scale = nn.Linear(4, 3), nn.Parameter(torch.tensor([6.0, 1.0, 2.0]))
        self.write = write

    def forward(self, x):
        with torch.no_grad():
            self.write(self.scale)
        return self.body(x) * self.scale


WRITES = {
    "clamp_": lambda scale: scale.clamp_(0, 4.6),
    "data": lambda scale: scale.data.clamp_(0, 4.6),
    "renormalised": lambda scale: scale.div_(scale.norm()),
    "copy_": lambda scale: scale.copy_(torch.ones(3)),
    "index": lambda scale: scale.__setitem__(0, 1.0),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_forward_pass_that_changes_a_parameter_changes_no_theta0_and_is_refused(write):
    model, x = Writing(WRITES[write]), torch.randn(5, 4)
    before = copy.deepcopy(model.state_dict())
    theta0, zero = parameters_of(model), {k: torch.zeros_like(v) for k, v in before.items()}
    lin, checkpointed = linearize(model), linearize(model, activation_checkpointing=True)
    model.eval()
    for call in (
        lambda: lin(x),
        lambda: checkpointed(x),
        lambda: jvp_features(model, theta0, zero, x),
        lambda: multi_jvp_features(model, theta0, [zero, zero], x),
    ):
        for context in (torch.no_grad(), torch.enable_grad()):
            with context, pytest.raises(UserError, match="changes the parameter scale in place"):
                call()
    for name, value in before.items():
        assert torch.equal(model.state_dict()[name], value)
        assert torch.equal(lin.theta0()[name], value)
    assert lin.task_vector().norm() == checkpointed.task_vector().norm() == 0


@pytest.mark.parametrize("write", WRITES)
def test_kernels_of_a_model_that_changes_a_parameter_are_refused(write):
    model, images = Writing(WRITES[write]).eval(), torch.randn(4, 4)
    before = copy.deepcopy(model.state_dict())
    theta0 = parameters_of(model)

    def f(theta, batch):
        return functional_call(model, dict(theta), (batch,))

    for call in (
        lambda: ntk_gram(f, theta0, images),
        lambda: ntk_gram(f, theta0, images, images[:2]),
        lambda: TangentEigenfunctions(f, theta0, images, [0], 1),
        lambda: MatrixFreeEigenfunctions(f, theta0, images, "all", 1),
    ):
        with pytest.raises(UserError, match="changes the parameter scale in place"):
            call()
        for name, value in before.items():
            assert torch.equal(model.state_dict()[name], value)


def test_an_embeddings_max_norm_is_refused_where_it_changes_a_row():
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 4, max_norm=1.0)
            with torch.no_grad():
                self.table.weight.mul_(torch.linspace(0.01, 3, 10)[:, None])

        def forward(self, ids):
            return self.table(ids).mean(1)

    lin = linearize(Words())
    assert torch.isfinite(lin(torch.tensor([[0, 0]]))).all()  # a row within the norm
    with pytest.raises(UserError, match=r"changes the parameter table\.weight in place"):
        lin(torch.tensor([[9, 0]]))


@pytest.mark.parametrize("write", ["clamp_", "data"])
def test_writing_what_is_there_already_is_no_change(write):
    model = Writing(WRITES[write])
    with torch.no_grad():
        model.scale.fill_(2.0)
    lin, x = linearize(model), torch.randn(5, 4)
    assert torch.allclose(lin(x), model(x)) and torch.equal(lin(x), lin(x))


class Average(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x):
        y = self.layer(x)
        self.seen.mul_(0.9).add_(y.detach().mean(0), alpha=0.1)
        return y


def refused():
    old = nn.utils
    return {
        r"module 0 \(Linear\) keeps 'weight', a tensor computed": nn.Sequential(
            old.weight_norm(nn.Linear(4, 3))
        ),
        r"model \(Linear\) keeps 'weight', a tensor computed": old.spectral_norm(nn.Linear(4, 3)),
        r"module 1 \(Average\) writes to a tensor of its own": nn.Sequential(
            nn.Linear(4, 4), Average()
        ),
        r"\(DataParallel\) wraps a model for several GPUs: give its attribute": nn.DataParallel(
            nn.Linear(4, 3)
        ),
        r"\(RecursiveScriptModule\) is TorchScript": torch.jit.script(nn.Linear(4, 3)),
        r"module 0 \(RecursiveScriptModule\) is TorchScript": nn.Sequential(
            torch.jit.script(nn.Linear(4, 3))
        ),
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("number", range(6))
def test_what_cannot_be_linearized_is_named(number):
    message, model = list(refused().items())[number]
    if isinstance(model, nn.Linear):
        model(torch.randn(5, 4))  # spectral_norm computes its weight in the first pass
    with pytest.raises(UserError, match=message):
        linearize(model)(torch.randn(5, 4))


@pytest.mark.parametrize(
    "module",
    [
        nn.BatchNorm1d(3),
        nn.SyncBatchNorm(3),
        nn.Dropout(0.5),
        nn.AlphaDropout(0.1),
        nn.InstanceNorm1d(3, track_running_stats=True),
    ],
)
def test_a_model_in_training_mode_is_refused_by_name(module):
    model, x = nn.Sequential(nn.Linear(4, 3), module), torch.randn(5, 4)
    theta0 = parameters_of(model)
    zero = {name: torch.zeros_like(value) for name, value in theta0.items()}
    message = rf"module 1 \({type(module).__name__}\) is in training mode"
    with pytest.raises(UserError, match=message):
        jvp_features(model, theta0, zero, x)
    with pytest.raises(UserError, match=message):
        multi_jvp_features(model, theta0, [zero], x)
    if not isinstance(module, nn.SyncBatchNorm | nn.InstanceNorm1d):
        value, product = jvp_features(model.eval(), theta0, zero, x)
        assert torch.equal(value, model(x)) and product.abs().max() == 0
