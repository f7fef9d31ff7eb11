"""Task vectors are values, and `from_checkpoints(a, b).apply_to(a)` is b for any state dicts."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tangent import TaskVector, UserError, linearize

FACTORS = (
    lambda x: x, np.float64, np.float32, np.float16, np.array, torch.tensor,
    lambda x: torch.tensor(x, dtype=torch.float64), lambda x: np.array(x, np.float32),
)  # fmt: skip


@pytest.mark.parametrize("kind", range(len(FACTORS)))
def test_factors_are_any_real_numbers_on_either_side(kind, rng):
    tau = TaskVector({"weight": torch.randn(2, 3), "bias": torch.randn(2)})
    number = float(np.float16(rng.normal()))  # exact in all types
    factor = FACTORS[kind](number)
    assert factor * tau == number * tau == tau * factor
    assert tau / factor == tau / number
    whole = np.int64(3)
    assert whole * tau == 3 * tau == tau * torch.tensor(3)


@pytest.mark.parametrize("factor", [1j, np.complex64(1j), "2", None, np.ones(2), torch.ones(1)])
def test_other_factors_are_no_factors(factor):
    with pytest.raises(TypeError):
        TaskVector({"weight": torch.ones(2)}) * factor


def test_a_vector_shares_no_memory(rng):
    model = nn.Linear(3, 2)
    state, vector = model.state_dict(), TaskVector(dict(model.named_parameters()))
    others = [TaskVector(state), TaskVector(vector), vector + vector, vector * 1, -vector]
    others += [TaskVector.sum([vector]), vector.to("cpu"), TaskVector.sum([vector, vector])]
    before = [{name: value.clone() for name, value in one.items()} for one in (vector, *others)]
    with torch.no_grad():
        for value in state.values():
            value.add_(float(rng.normal()))
        vector.apply_to(model, 0.5)
        vector.add_to_(model, 2.0)
    for one, expected in zip((vector, *others), before, strict=True):
        assert all(torch.equal(one[name], value) for name, value in expected.items())


def test_two_names_of_one_state_are_refused():
    model = nn.Linear(3, 2)
    kept = model.state_dict()
    with pytest.raises(UserError, match=r"same tensors in memory.*deepcopy\(model.state_dict"):
        TaskVector.from_checkpoints(kept, model.state_dict())
    # Some shared weights are what a frozen part is.
    tuned = {**kept, "bias": kept["bias"] + 1}
    assert TaskVector.from_checkpoints(kept, tuned).norm() == pytest.approx(2**0.5)


@pytest.mark.parametrize("first", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("second", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_differences_are_made_in_the_wider_type(first, second):
    start = torch.randn(50, dtype=torch.float64).to(first)
    end = (start.double() + 1e-9 * torch.randn(50, dtype=torch.float64)).to(second)
    tau = TaskVector.from_checkpoints({"w": start}, {"w": end})
    assert tau["w"].dtype == torch.float32
    exact = (end.double() - start.double()).float()
    # Narrower ones are subtracted in float32, where the result may be rounded once more.
    assert torch.allclose(tau["w"], exact, rtol=1e-6, atol=0)


def test_a_linearized_models_vector_keeps_small_moves():
    lin = linearize(nn.Linear(4, 4).double())
    with torch.no_grad():
        lin.model.weight.add_(1e-9)
    assert lin.task_vector().norm() == pytest.approx(4e-9, rel=1e-5)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(10, 8), nn.Linear(8, 10, bias=False)
        self.out.weight = self.table.weight


class Mixed(nn.Module):
    """Parameters and buffers of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.tied = nn.Linear(8, 3).double(), Tied()
        self.norm = nn.BatchNorm1d(3)
        self.filter = nn.Parameter(torch.randn(5, dtype=torch.cfloat))
        self.order = nn.Parameter(torch.arange(8), requires_grad=False)
        self.mask = nn.Parameter(torch.ones(3, dtype=torch.bool), requires_grad=False)
        self.register_buffer("average", torch.randn(3))
        self.register_buffer("hidden", torch.randn(3), persistent=False)


MODELS = {
    "batch norm": lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
    "tied": Tied,
    "mixed": Mixed,
    "half": lambda: nn.Linear(4, 4).half(),
}


def tuned_copy(model):
    """All inexact parameters and buffers moved."""
    tuned = copy.deepcopy(model)
    with torch.no_grad():
        for value in (*tuned.parameters(), *tuned.buffers()):
            if value.is_floating_point() or value.is_complex():
                value.add_(torch.randn_like(value).abs())
    return tuned


def pairs_of(model, tuned):
    saved = [{k: v for k, v in of.state_dict().items()} for of in (model, tuned)]
    return {
        "modules": (model, tuned),
        "state dicts": (model.state_dict(), tuned.state_dict()),
        "module and state dict": (model, tuned.state_dict()),
        "state dict and module": (model.state_dict(), tuned),
        "plain dictionaries": tuple(saved),
    }


@pytest.mark.parametrize("kind", pairs_of(nn.Linear(1, 1), nn.Linear(1, 1)))
@pytest.mark.parametrize("name", MODELS)
def test_the_difference_of_two_checkpoints_leads_from_one_to_the_other(name, kind):
    model = MODELS[name]()
    tuned = tuned_copy(model)
    tau = TaskVector.from_checkpoints(*pairs_of(model, tuned)[kind])
    edited = tau.apply_to(model)
    for (key, found), wanted in zip(edited.named_parameters(), tuned.parameters(), strict=True):
        assert torch.allclose(found, wanted, rtol=1e-6, atol=2e-3 if name == "half" else 1e-6), key
    both = zip(model.parameters(), tuned.parameters(), strict=True)
    moves = [end.detach().cdouble() - start.detach().cdouble() for start, end in both]
    squares = sum(float(move.abs().square().sum()) for move in moves)
    if name == "mixed" and "module" not in kind:
        # A buffer that only its module knows to be none of the parameters.
        squares += float((tuned.average - model.average).square().sum())
    assert tau.norm() == pytest.approx(squares**0.5, rel=1e-5)
    assert tau.cosine(tau) == pytest.approx(1)


@pytest.mark.parametrize("copied", ["start", "end", "both"])
def test_a_shared_weight_may_have_been_copied_once_for_each_name(copied):
    model = Tied()
    tuned = tuned_copy(model)
    start, end = model.state_dict(), tuned.state_dict()
    if copied != "end":
        start = {name: value.clone() for name, value in start.items()}
    if copied != "start":
        end = {name: value.clone() for name, value in end.items()}
    tau = TaskVector.from_checkpoints(start, end)
    assert torch.allclose(tau.apply_to(model).out.weight, tuned.out.weight, atol=1e-6)
    if copied != "both":  # nothing tells then that it is one weight
        assert tau == TaskVector.from_checkpoints(model, tuned)
    end["out.weight"] = end["out.weight"] + 1  # two weights now: the model has one
    with pytest.raises(UserError, match=r"has out\.weight, the model does not"):
        TaskVector.from_checkpoints(start, end).apply_to(model)


def test_buffers_that_are_left_out_are_named_and_can_be_taken_along():
    model = MODELS["batch norm"]()
    tuned = tuned_copy(model)
    tau = TaskVector.from_checkpoints(model.state_dict(), tuned.state_dict())
    assert tau.left_out == ("1.running_mean", "1.running_var")
    assert tau.left_out == TaskVector.from_checkpoints(model, tuned).left_out
    for pair in ((model, tuned), (model.state_dict(), tuned.state_dict())):
        whole = TaskVector.from_checkpoints(*pair, buffers="include")
        assert whole.left_out == () and whole.keys() == tau.keys() | {*tau.left_out}
        edited = whole.apply_to(model)
        for name, value in tuned.state_dict().items():
            assert torch.allclose(edited.state_dict()[name], value, atol=1e-6)
        assert torch.equal(model[1].running_mean, torch.zeros(4))


def test_an_integer_parameter_that_differs_is_named():
    model = Mixed()
    tuned = copy.deepcopy(model)
    with torch.no_grad():
        tuned.order[0] = 7
        tuned.layer.weight.add_(1)
    for pair in ((model, tuned), (model.state_dict(), tuned.state_dict())):
        with pytest.raises(UserError, match=r"order holds torch.int64 and differs: a task vector"):
            TaskVector.from_checkpoints(*pair)


def test_a_complex_vector_is_saved_and_a_vector_space():
    tau = TaskVector({"f": torch.randn(4, dtype=torch.cdouble), "w": torch.randn(3)})
    assert tau["f"].dtype == torch.complex64
    expected = float(torch.view_as_real(tau["f"]).square().sum() + tau["w"].square().sum())
    assert tau.norm() == pytest.approx(expected**0.5, rel=1e-6)
    assert (2 * tau - tau).norm() == pytest.approx(tau.norm())
    assert tau.dot(-tau) == pytest.approx(-expected, rel=1e-6)


def test_types_of_eight_bits_have_a_difference():
    numbers = torch.tensor([1.0, -2.0, 0.5])
    kinds = (torch.float8_e4m3fn, torch.float8_e5m2)
    tau = TaskVector.from_checkpoints(*({"w": of} for of in map(numbers.to, kinds)))
    assert not tau["w"].any()
    tau = TaskVector.from_checkpoints({"w": numbers.to(kinds[0])}, {"w": 2 * numbers})
    assert torch.equal(tau["w"], numbers)


ONE = {"w": torch.ones(2)}
NO_WEIGHTS = {
    "w is of type ndarray, no tensor of numbers: give the state dict within": {"w": np.ones(2)},
    "w is of type NoneType": {"w": None},
    "w is of type dict": {"w": ONE},
    "w is torch.sparse_coo on cpu": {"w": torch.eye(2).to_sparse()},
    "w is torch.strided on meta": {"w": torch.ones(2, device="meta")},
    r"must be a module or its state dict \(torch.load reads one\), not a str": "w.pt",
    "must be .* its state dict .*, not a list": [torch.ones(2)],
    "must be .* its state dict .*, not a NoneType": None,
}


@pytest.mark.parametrize("message", NO_WEIGHTS)
def test_what_holds_no_weights_is_refused(message):
    content = NO_WEIGHTS[message]
    with pytest.raises(UserError, match=f"θ0:? {message}"):
        TaskVector.from_checkpoints(content, ONE)
    with pytest.raises(UserError, match=f"θ[*]:? {message}"):
        TaskVector.from_checkpoints(ONE, content)
    with pytest.raises(UserError, match=f"a task vector:? {message}"):
        TaskVector(content)


@pytest.mark.parametrize("whole", [torch.int8, torch.int64, torch.bool])
def test_whole_numbers_that_became_others_are_not_rounded(whole):
    pair = {"w": torch.ones(2, dtype=whole)}, {"w": torch.full((2,), 1.5)}
    for start, end in (pair, pair[::-1]):
        with pytest.raises(UserError, match=r"w holds torch.\w+ and differs"):
            TaskVector.from_checkpoints(start, end)


def test_no_weights_at_all_are_no_vector():
    with pytest.raises(UserError, match="at least one tensor"):
        TaskVector.from_checkpoints({}, {})


@pytest.mark.parametrize("factor", [float("nan"), -np.inf, torch.tensor(torch.inf), 10**400])
def test_factors_are_finite(factor):
    tau, model = TaskVector({"weight": torch.ones(2, 3), "bias": torch.ones(2)}), nn.Linear(3, 2)
    for call in (
        lambda: factor * tau,
        lambda: tau / factor,
        lambda: tau / 0,
        lambda: tau.apply_to(model, factor),
    ):
        with pytest.raises(UserError, match=r"must be finite, not|cannot be divided by 0"):
            call()
    with pytest.raises(UserError, match="alpha must be a real number, not '0.5'"):
        tau.apply_to(model, "0.5")
