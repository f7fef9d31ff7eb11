"""Modules and outputs that would be linearized wrongly without a word."""

from __future__ import annotations

import threading
import types

import numpy as np
import pytest
import torch
from open_clip.transformer import PatchDropout
from timm.layers import DropPath
from torch import nn
from torch.func import functional_call

from tangent import UserError, jvp_features, linearize, multi_jvp_features, parameters_of


class Then(nn.Module):
    """A linear layer, and what `then` makes of it."""

    def __init__(self, then=torch.tanh, **attributes) -> None:
        super().__init__()
        self.layer, self.then = nn.Linear(4, 4), then
        vars(self).update(attributes)

    def forward(self, x):
        return self.then(self.layer(x))


def along_ones(model, x):
    ones = {name: torch.ones_like(value) for name, value in parameters_of(model).items()}
    return (
        lambda: jvp_features(model, parameters_of(model), ones, x),
        lambda: multi_jvp_features(model, parameters_of(model), [ones, ones], x),
    )


class Forgetful(nn.Module):
    """Replaces a buffer by another in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.register_buffer("scale", torch.tensor([6.0, 1.0, 2.0]))

    def forward(self, x):
        self.scale = self.scale * 0.5
        return self.layer(x) * self.scale


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_buffer_that_a_pass_replaces_is_what_it_was(checkpointing):
    model, x = Forgetful(), torch.randn(5, 4)
    lin = linearize(model, checkpointing)
    start = model.scale
    for products in along_ones(model.eval(), x):
        first, second = products(), products()
        assert torch.equal(first[0], second[0]) and model.scale is start
    right = functional_call(model.layer, parameters_of(model.layer), (x,)) * start * 0.5
    weights = []
    for _ in range(2):
        assert torch.allclose(lin(x), right, atol=1e-6)
        lin.zero_grad()
        lin(x).sum().backward()
        weights.append(lin.model.layer.weight.grad.clone())
    # of (Wx + b)·s/2, summed: s/2 times the inputs' sum
    assert torch.allclose(weights[0], torch.outer(start / 2, x.sum(0)), atol=1e-5)
    assert torch.equal(*weights)


def in_plain_attribute(keep):
    model = Then()
    model.then = lambda y: y * model.layer.bias
    vars(model)["kept"] = keep(model.layer.bias)
    return model


KEPT = {
    "list": lambda bias: [bias],
    "tuple": lambda bias: (None, bias),
    "dictionary": lambda bias: {"bias": bias},
    "attribute": lambda bias: bias,
}


@pytest.mark.parametrize("kind", KEPT)
def test_a_parameter_that_is_kept_in_a_plain_attribute_too_is_named(kind):
    model = in_plain_attribute(KEPT[kind])
    for call in (lambda: linearize(model), *along_ones(model.eval(), torch.randn(5, 4))):
        with pytest.raises(UserError, match=r"the model \(Then\) keeps parameters in 'kept' too"):
            call()


def test_recurrent_layers_keep_their_lists_right():
    model, x = nn.GRU(4, 3).double().eval(), torch.randn(2, 5, 4, dtype=torch.double)
    theta0 = parameters_of(model)
    tau = {name: torch.randn_like(value) for name, value in theta0.items()}

    def at(step):
        point = {name: theta0[name] + step * tau[name] for name in theta0}
        return functional_call(model, point, (x,))[0]

    _, (product, _) = jvp_features(model, theta0, tau, x)
    assert torch.allclose(product, (at(1e-6) - at(-1e-6)) / 2e-6, atol=1e-7)


class Held:
    def __init__(self, y) -> None:
        self.y = y


class Slot:
    __slots__ = ("y",)

    def __init__(self, y) -> None:
        self.y = y


HIDING = {
    "SimpleNamespace": lambda y: types.SimpleNamespace(y=y),
    "Held": Held,
    "Slot": Slot,
    "set": lambda y: {y},
    "frozenset": lambda y: frozenset([y]),
    "generator": lambda y: (part for part in y),
    "mappingproxy": lambda y: types.MappingProxyType({"y": y}),
    "Normal": lambda y: torch.distributions.Normal(y, 1.0),
}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", HIDING)
def test_an_output_that_hides_tensors_is_named(kind, checkpointing):
    lin = linearize(Then(lambda y: {"answer": HIDING[kind](y)}), checkpointing)
    for context in (torch.no_grad(), torch.enable_grad()):
        with context, pytest.raises(UserError, match=f"returns a {kind}, whose tensors cannot"):
            lin(torch.randn(5, 4))


class Assigns(nn.Linear):
    def forward(self, x):
        self.weight.data = self.weight.data / 2
        return super().forward(x)


def through_numpy(y):
    return torch.from_numpy(np.tanh(y.detach().numpy()))


def own_gradient(y):
    return torch.autograd.grad(y.square().sum(), y, create_graph=True)[0]


OPAQUE = {
    "assigns to .data": lambda: Assigns(4, 4),
    "numpy": lambda: Then(through_numpy),
    "its own gradients": lambda: Then(own_gradient),
    "nested tensors": lambda: Then(lambda y: torch.nested.nested_tensor([y[:2], y[2:]])),
}


@pytest.mark.parametrize("kind", OPAQUE)
def test_what_no_derivative_passes_through_is_named_with_torchs_reason(kind):
    model = OPAQUE[kind]()
    message = rf"the model \({type(model).__name__}\) does what no forward-mode .*\(torch: \w"
    with pytest.raises(UserError, match=message):
        linearize(model)(torch.randn(5, 4))


WRONG = {
    r"the model \(LazyLinear\) has no values in weight yet": lambda: nn.LazyLinear(3),
    r"the module 0 \(Linear\) has no values in weight": lambda: nn.Sequential(
        nn.Linear(4, 3, device="meta")
    ),
    r"the model \(Then\) cannot be copied \(cannot pickle '_thread.lock' object\)": lambda: Then(
        lock=threading.Lock()
    ),
    "can be linearized, not a OrderedDict": lambda: nn.Linear(4, 3).state_dict(),
    "can be linearized, not a type": lambda: nn.Linear,
    "can be linearized, not a NoneType": lambda: None,
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_model_with_weights_is_refused(message):
    with pytest.raises(UserError, match=message):
        linearize(WRONG[message]())


class Functional(nn.Module):
    """Dropout by the function, as attention has it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.dropout = nn.Linear(4, 4), 0.5

    def forward(self, x):
        return nn.functional.dropout(self.layer(x), self.dropout, self.training)


@pytest.mark.parametrize("module", [nn.RReLU(), DropPath(0.5), PatchDropout(0.5), Functional()])
def test_what_draws_random_numbers_in_training_mode_is_named(module):
    model, x = nn.Sequential(nn.Linear(4, 4), module), torch.randn(2, 5, 4)
    for products in along_ones(model.train(), x):
        with pytest.raises(UserError, match=rf"1 \({type(module).__name__}\) is in training mode"):
            products()
    if not isinstance(module, nn.RReLU):  # which has no forward-mode derivative
        for products in along_ones(model.eval(), x):
            assert torch.allclose(products()[0], model(x), atol=1e-6)
