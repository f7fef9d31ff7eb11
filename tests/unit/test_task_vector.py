"""Task vectors are a vector space; numpy's flat vectors are the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from families import FAMILIES, make, moved, perceptron, random_direction
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tangent.arithmetic.task_vector import TaskVector, edit_
from tangent.jobs.errors import UserError

SHAPES = {"embedding": (3, 2), "bias": (4,), "scale": ()}

# Multiples of 1/8 of moderate size: float32 adds and multiplies them without rounding.
numbers = st.integers(-64, 64).map(lambda eighths: eighths / 8)
size = sum(int(np.prod(shape)) for shape in SHAPES.values())
vectors = st.lists(numbers, min_size=size, max_size=size).map(lambda values: unflatten(values))


def unflatten(values: list[float]) -> TaskVector:
    tensors, flat = {}, torch.tensor(values)
    for name, shape in SHAPES.items():
        count = int(np.prod(shape))
        tensors[name], flat = flat[:count].reshape(shape), flat[count:]
    return TaskVector(tensors)


def flatten(vector: TaskVector) -> np.ndarray:
    return np.concatenate([vector[name].numpy().ravel() for name in SHAPES]).astype(np.float64)


@given(vectors, vectors, vectors, numbers, numbers)
def test_vector_space(a: TaskVector, b: TaskVector, c: TaskVector, x: float, y: float) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a - a == 0 * a
    assert a + 0 * b == a
    assert -a == -1 * a
    assert x * (a + b) == x * a + x * b
    assert (x + y) * a == x * a + y * a
    assert x * (y * a) == (x * y) * a
    assert 1 * a == a * 1 == a / 1 == a
    assert sum([a, b, c]) == TaskVector.sum([a, b, c]) == a + b + c


@given(vectors, vectors, vectors, numbers)
def test_operations_are_those_of_flat_vectors(
    a: TaskVector, b: TaskVector, c: TaskVector, x: float
) -> None:
    u, v, w = flatten(a), flatten(b), flatten(c)
    np.testing.assert_array_equal(flatten(a + x * b), u + x * v)
    np.testing.assert_array_equal(flatten(c + (b - a)), w + (v - u))  # analogy
    np.testing.assert_allclose(flatten(a / 3), u / 3, rtol=1e-6)
    assert a.dot(b) == u @ v
    assert a.norm() == pytest.approx(np.linalg.norm(u))
    lengths = np.linalg.norm(u) * np.linalg.norm(v)
    assert a.cosine(b) == pytest.approx(u @ v / lengths if lengths else 0.0)
    assert -1 <= a.cosine(b) <= 1


def test_dot_does_not_lose_small_weights() -> None:
    weights = torch.full((1_000_000,), 1e-4)
    assert TaskVector({"w": weights}).norm() == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("seed")
def test_from_checkpoints_and_apply_to_are_inverse(family: str) -> None:
    model, x = make(family)
    direction = random_direction(model)
    expected = torch.func.functional_call(model, moved(model, direction, 0.5), (x,))
    tau = TaskVector.from_checkpoints(
        {name: value.detach() for name, value in model.named_parameters()},
        moved(model, direction),
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    edited = tau.apply_to(model, 0.5)
    torch.testing.assert_close(edited(x), expected, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert type(edited) is type(model)
    again = TaskVector.from_checkpoints(model, edited)
    assert again.keys() == tau.keys()
    assert (again - 0.5 * tau).norm() <= 1e-6 * max(1, tau.norm())


@pytest.mark.usefixtures("seed")
def test_editing_in_place_starts_from_theta0_every_time() -> None:
    model, _ = make("vision transformer")
    model.float()
    theta0 = {name: value.detach().clone() for name, value in model.named_parameters()}
    a, b = (TaskVector(random_direction(model)) for _ in "ab")
    edit_(model, theta0, [(0.3, a), (-2.0, b)])
    once = {name: value.detach().clone() for name, value in model.named_parameters()}
    for alpha in np.linspace(-3, 3, 20):
        edit_(model, theta0, [(float(alpha), a)])
    edit_(model, theta0, [(0.3, a), (-2.0, b)])
    for name, value in model.named_parameters():
        assert torch.equal(value, once[name])
        torch.testing.assert_close(value, theta0[name] + 0.3 * a[name] - 2.0 * b[name])
    edit_(model, theta0, [])
    assert all(torch.equal(value, theta0[name]) for name, value in model.named_parameters())


def test_round_trip_through_a_file(tmp_path: Path) -> None:
    from safetensors import safe_open

    vector = unflatten(list(np.arange(size) / 3))
    path = tmp_path / "new" / "task_vector.safetensors"
    vector.save(path, {"task": "letters"})
    assert TaskVector.load(path) == vector
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"task": "letters"}
    with pytest.raises(UserError, match="does not exist"):
        TaskVector.load(tmp_path / "none.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match="not a complete safetensors file"):
        TaskVector.load(path)


def test_is_float32_and_holds_no_counters() -> None:
    model, _ = perceptron()
    state = model.state_dict()
    assert "norm.num_batches_tracked" in state
    half = {
        name: value.half() if value.is_floating_point() else value for name, value in state.items()
    }
    tau = TaskVector.from_checkpoints(half, state)
    assert "norm.num_batches_tracked" not in tau
    assert all(value.dtype == torch.float32 for value in tau.values())
    with pytest.raises(UserError, match="floating-point"):
        TaskVector({"counter": torch.tensor(3)})
    with pytest.raises(UserError, match="at least one"):
        TaskVector({})


def with_other(**changes: Tensor) -> TaskVector:
    return TaskVector(dict(unflatten([1.0] * size)) | changes)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            with_other(bias=torch.zeros(5)),
            r"bias has shape \(4,\) in one .* and \(5,\) in the other",
        ),
        (with_other(extra=torch.zeros(1)), "the other has extra, one task vector does not"),
        (
            TaskVector({"embedding": torch.zeros(3, 2)}),
            "one task vector has bias, the other does not",
        ),
    ],
)
def test_vectors_of_different_models_are_refused(other: TaskVector, message: str) -> None:
    vector = unflatten([1.0] * size)
    for operation in (
        lambda: vector + other,
        lambda: vector - other,
        lambda: vector.dot(other),
        lambda: vector.cosine(other),
        lambda: TaskVector.sum([vector, other]),
    ):
        with pytest.raises(UserError, match=message):
            operation()


def test_what_does_not_fit_a_model_changes_nothing() -> None:
    model = nn.Linear(2, 2)
    before = model.weight.detach().clone()
    wrong = TaskVector({"weight": torch.ones(2, 2)})
    theta0 = {name: value.detach().clone() for name, value in model.named_parameters()}
    for operation in (
        lambda: wrong.apply_to(model),
        lambda: wrong.add_to_(model),
        lambda: edit_(model, theta0, [(1.0, wrong)]),
    ):
        with pytest.raises(UserError, match="the model has bias, the task vector does not"):
            operation()
    assert torch.equal(model.weight, before)
    with pytest.raises(UserError, match="weight has shape"):
        TaskVector.from_checkpoints(model, nn.Linear(3, 2))
    with pytest.raises(UserError, match="weight is not finite"):
        TaskVector.from_checkpoints(theta0, theta0 | {"weight": theta0["weight"] * torch.nan})
    with pytest.raises(UserError, match="no task vector"):
        TaskVector.sum([])
    for nonsense in ("text", None, torch.ones(2)):
        with pytest.raises(TypeError):
            wrong + nonsense
        with pytest.raises(TypeError):
            wrong * nonsense
