"""Oracles of the linearized model: the plain model, finite differences, an explicit Jacobian."""

from __future__ import annotations

import copy

import pytest
import torch
from families import (
    CONTINUOUS,
    FAMILIES,
    Perceptron,
    cast,
    make,
    moved,
    perceptron,
    random_direction,
)
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor, nn
from torch.func import functional_call, jacrev
from torch.utils._python_dispatch import TorchDispatchMode

from tangent.arithmetic.forward_mode import forward_mode_attention
from tangent.arithmetic.linearized import (
    LinearizedModel,
    jvp_features,
    linearize,
    multi_jvp_features,
    parameters_of,
)
from tangent.jobs.errors import UserError
from tangent.kernels.matrix_free import TangentOperator

pytestmark = pytest.mark.usefixtures("seed")
families = pytest.mark.parametrize("family", FAMILIES)


def explicit_jacobian(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """∂f/∂θ by reverse mode, materialised: [batch, d, *shape] per trained parameter."""
    theta = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    with forward_mode_attention():
        return jacrev(lambda weights: functional_call(model, weights, (x,)))(theta)


def without_kinks(model: nn.Module) -> nn.Module:
    """Finite differences need a smooth function: one may step over the kink of a ReLU."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Softplus())
    return model


def times(jacobian: dict[str, Tensor], direction: dict[str, Tensor]) -> Tensor:
    return sum(block.flatten(2) @ direction[name].flatten() for name, block in jacobian.items())


@families
def test_equals_the_plain_model_at_theta0(family: str) -> None:
    model, x = make(family)
    with torch.no_grad():
        torch.testing.assert_close(linearize(model)(x), model(x))


@families
def test_derivative_along_tau_is_the_central_difference(family: str) -> None:
    model, x = make(family)
    model, tau, h = without_kinks(model), random_direction(model), 1e-6
    value, product = jvp_features(model, parameters_of(model), tau, x)
    with torch.no_grad():
        ahead, behind = (functional_call(model, moved(model, tau, s), (x,)) for s in (h, -h))
        torch.testing.assert_close(value, model(x))
    torch.testing.assert_close(product, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-8)
    linearized = linearize(model)
    linearized.load_parameters(moved(model, tau))
    with torch.no_grad():
        torch.testing.assert_close(linearized(x), value + product)


@families
def test_value_and_gradients_are_those_of_the_explicit_jacobian(family: str) -> None:
    model, x = make(family)
    tau = random_direction(model)
    jacobian = explicit_jacobian(model, x)
    linearized = linearize(model)
    linearized.load_parameters(moved(model, tau))
    output = linearized(x)
    torch.testing.assert_close(output.detach(), model(x).detach() + times(jacobian, tau))
    cotangent = torch.randn_like(output)
    (torch.sin(output) * cotangent).sum().backward()
    cotangent = cotangent * output.detach().cos()
    for name, parameter in linearized.model.named_parameters():
        if parameter.requires_grad:
            expected = torch.einsum("bd,bd...->...", cotangent, jacobian[name])
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-9, atol=1e-11)
        else:
            assert parameter.grad is None


def test_equals_the_closed_form_of_a_model_linear_in_its_weights() -> None:
    model = nn.Linear(6, 3).double()
    x = torch.randn(4, 6).double()
    linearized, tau = linearize(model), random_direction(model, scale=10.0)
    linearized.load_parameters(moved(model, tau))
    weights = moved(model, tau)
    torch.testing.assert_close(linearized(x), x @ weights["weight"].T + weights["bias"])


def test_equals_the_closed_form_of_a_product_of_weights() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = (nn.Parameter(torch.randn((), dtype=torch.double)) for _ in "ab")

        def forward(self, x: Tensor) -> Tensor:
            return self.a * self.b * x

    model, x, tau = Product(), torch.randn(5).double(), {"a": 0.7, "b": -1.3}
    a, b = model.a.item(), model.b.item()
    linearized = linearize(model)
    linearized.load_parameters({"a": model.a + tau["a"], "b": model.b + tau["b"]})
    expected = (a * b + b * tau["a"] + a * tau["b"]) * x
    torch.testing.assert_close(linearized(x).detach(), expected)


@pytest.mark.parametrize("family", CONTINUOUS)
def test_training_without_gradients_and_through_inputs_agree(family: str) -> None:
    model, x = make(family)
    linearized = linearize(model)
    linearized.load_parameters(moved(model, random_direction(model)))
    trained = linearized(x)
    with torch.no_grad():
        torch.testing.assert_close(trained.detach(), linearized(x))
    through_inputs = linearized(x.clone().requires_grad_())
    torch.testing.assert_close(trained, through_inputs)
    cotangent = torch.randn_like(trained)
    parameters = [p for p in linearized.parameters() if p.requires_grad]
    for ours, exact in zip(
        torch.autograd.grad(trained, parameters, cotangent),
        torch.autograd.grad(through_inputs, parameters, cotangent),
        strict=True,
    ):
        torch.testing.assert_close(ours, exact, rtol=1e-9, atol=1e-11)


def test_gradient_of_the_inputs_is_the_finite_difference() -> None:
    model, x = make("perceptron")
    linearized = linearize(model)
    linearized.load_parameters(moved(model, random_direction(model)))
    assert torch.autograd.gradcheck(linearized, (x.clone().requires_grad_(),))


def test_works_under_function_transforms() -> None:
    model, x = make("perceptron")
    linearized = linearize(model)
    linearized.load_parameters(moved(model, random_direction(model)))
    theta = {n: p.detach() for n, p in linearized.named_parameters() if p.requires_grad}
    jacobian = jacrev(lambda weights: functional_call(linearized, weights, (x,)))(theta)
    for name, block in explicit_jacobian(model, x).items():
        torch.testing.assert_close(jacobian[f"model.{name}"], block)


@families
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)], ids=str
)
@pytest.mark.parametrize("directions", [1, 5])
def test_several_directions_at_once(family, dtype, tolerance, directions) -> None:
    model, x = make(family)
    model, x = model.to(dtype), cast(x, dtype)
    theta0 = parameters_of(model)
    taus = [random_direction(model) for _ in range(directions)]
    value, products = multi_jvp_features(model, theta0, taus, x)
    assert len(products) == directions
    for tau, product in zip(taus, products, strict=True):
        alone = jvp_features(model, theta0, tau, x)
        for found, expected in zip((value, product), alone, strict=True):
            scale = expected.abs().max().item()
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("by", ["pass", "operator"])
def test_directions_are_not_copied_for_every_token(by) -> None:
    """Attention transposes its tokens, and torch would multiply token by token."""

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            output = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.clone.default:
                self.numbers = max(self.numbers, output.numel())
            return output

    vision = CLIPVisionCfg(layers=1, width=32, head_width=16, patch_size=4, image_size=32)
    text = CLIPTextCfg(context_length=4, vocab_size=8, width=6, heads=1, layers=1)
    model = CLIP(embed_dim=5, vision_cfg=vision, text_cfg=text).visual.eval()
    taus, x = [random_direction(model) for _ in range(4)], torch.randn(2, 3, 32, 32)
    theta0 = parameters_of(model)
    stacked = [torch.stack([tau[name] for tau in taus]) for name in theta0]
    operator = TangentOperator(lambda w, x: functional_call(model, w, (x,)), theta0, [0, 1])
    with torch.no_grad(), Largest() as copied:
        if by == "pass":
            multi_jvp_features(model, theta0, taus, x)
        else:
            list(operator.along(stacked, x))
    # Two images of 65 tokens: nothing larger is copied than two heads' attention weights' tangents.
    assert 0 < copied.numbers <= 4 * 2 * 2 * 65 * 65


def test_dropout_and_batch_statistics_stay_out_of_it() -> None:
    model, x = make("perceptron")
    linearized = linearize(model.train()).train()
    assert linearized.training and not linearized.model.training
    before = {name: value.clone() for name, value in linearized.named_buffers()}
    with torch.no_grad():
        torch.testing.assert_close(linearized(x), model.eval()(x))
    linearized(x).sum().backward()
    for name, value in linearized.named_buffers():
        assert torch.equal(value, before[name]), name


def test_is_independent_of_the_model_and_its_copies() -> None:
    model, x = make("vision transformer")
    linearized = linearize(model)
    twin = copy.deepcopy(linearized)
    expected = linearized(x).detach()
    with torch.no_grad():
        for parameter in [*model.parameters(), *twin.parameters()]:
            parameter.mul_(2)
    torch.testing.assert_close(linearized(x).detach(), expected)
    assert not torch.allclose(twin(x), expected)


@families
def test_state_dict_round_trip(family: str) -> None:
    model, x = make(family)
    linearized = linearize(model)
    linearized.load_parameters(moved(model, random_direction(model)))
    other = linearize(make(family)[0])
    other.load_state_dict(linearized.state_dict())
    torch.testing.assert_close(other(x), linearized(x))


@families
def test_checkpoints_have_the_plain_names(family: str) -> None:
    model, x = make(family)
    weights = moved(model, random_direction(model))
    linearized = linearize(model)
    assert linearized.plain_state_dict().keys() == model.state_dict().keys()
    linearized.load_parameters(weights)
    other = linearize(model)
    other.load_parameters(linearized.plain_state_dict())
    torch.testing.assert_close(other(x), linearized(x))
    tau = linearized.task_vector()
    assert tau.keys() == weights.keys()
    for name, value in tau.items():
        expected = (weights[name] - model.get_parameter(name).detach()).float()
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-6)


def test_parameters_are_in_the_plain_order_and_start_at_theta0() -> None:
    model, _ = make("vision transformer")
    for plain, ours in zip(model.parameters(), linearize(model).parameters(), strict=True):
        assert torch.equal(plain, ours) and plain is not ours


def test_autocast_gives_nearly_the_same() -> None:
    model, x = make("vision transformer")
    model, x = model.float(), x.float()
    linearized = linearize(model)
    linearized.load_parameters(moved(model, random_direction(model)))
    exact = linearized(x).detach()
    with torch.autocast("cpu", torch.bfloat16):
        output = linearized(x)
    output.float().square().sum().backward()
    torch.testing.assert_close(output.float(), exact, rtol=0.1, atol=0.1)
    assert all(p.grad.dtype == torch.float32 for p in linearized.parameters())


def test_keyword_arguments_and_several_outputs() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: Tensor, *, scale: float) -> tuple[Tensor, Tensor]:
            return self.linear(x), torch.tanh(self.linear(x)) * scale

    model, x = Pair(), torch.randn(2, 3)
    linearized = linearize(model)
    torch.testing.assert_close(linearized(x, scale=2.0), model(x, scale=2.0))


def test_attention_settings_are_restored() -> None:
    cuda, mha = torch.backends.cuda, torch.backends.mha
    settings = (mha.get_fastpath_enabled, cuda.flash_sdp_enabled, cuda.mem_efficient_sdp_enabled)
    before = [setting() for setting in settings]
    with pytest.raises(KeyError), forward_mode_attention():
        assert not any(setting() for setting in settings)
        raise KeyError
    assert [setting() for setting in settings] == before


def test_compiles_in_one_graph() -> None:
    model, x = make("perceptron")
    linearized = linearize(model)
    linearized.load_parameters(moved(model, random_direction(model)))
    with forward_mode_attention():
        compiled = torch.compile(linearized, backend="eager", fullgraph=True)(x)
    torch.testing.assert_close(compiled, linearized(x))


@pytest.mark.parametrize("kind", ["native operation", "autograd function"])
def test_an_operation_without_forward_mode_is_named(kind: str) -> None:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return 2 * x

    class Unsupported(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.linear(x)
            return torch.cdist(x, x) if kind == "native operation" else Doubled.apply(x)

    name = "_cdist_forward" if kind == "native operation" else "autograd.Function"
    with pytest.raises(UserError, match=f"{name}.*forward-mode"):
        linearize(Unsupported())(torch.randn(4, 3))


def test_an_error_of_the_model_itself_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        linearize(nn.Linear(3, 2))(torch.randn(4, 5))


def test_a_model_without_trained_parameters_is_refused() -> None:
    with pytest.raises(UserError, match="no parameter that requires a gradient"):
        linearize(nn.Linear(3, 2).requires_grad_(False))


def test_directions_that_do_not_fit_are_refused() -> None:
    model, x = perceptron()
    theta0, tau = parameters_of(model), random_direction(model)
    lacking = {name: value for name, value in tau.items() if name != "norm.bias"}
    with pytest.raises(UserError, match="norm.bias"):
        jvp_features(model, theta0, lacking, x)
    with pytest.raises(UserError, match="outer.weight has shape"):
        jvp_features(model, theta0, tau | {"outer.weight": torch.zeros(2, 2)}, x)
    with pytest.raises(UserError, match="at least one"):
        multi_jvp_features(model, theta0, [], x)


def test_checkpoints_that_do_not_fit_change_nothing() -> None:
    linearized = LinearizedModel(Perceptron())
    weights = {name: 2 * value for name, value in linearized.plain_state_dict().items()}
    with pytest.raises(UserError, match="shift is a constant"):
        linearized.load_parameters(weights)
    del weights["outer.bias"]
    with pytest.raises(UserError, match="the model has outer.bias, the checkpoint does not"):
        linearized.load_parameters(weights)
    assert linearized.task_vector().norm() == 0
