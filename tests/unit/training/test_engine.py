"""Compiled and eager trainings: which one, the same numbers, and the same bits every time."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest
import ranks
import torch
from families import make, moved, random_direction
from safetensors.torch import load_file
from test_distributed import in_parallel, weights_agree
from torch import nn
from torch.func import functional_call, jvp

from tangent.arithmetic.forward_mode import forward_mode_attention
from tangent.arithmetic.linearized import linearize
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_csv, read_json
from tangent.models.heads.zero_shot import ZeroShotHead
from tangent.training import engine
from tangent.training.compile_cache import VARIABLE
from tangent.training.engine import compile_for
from tangent.training.forward_backward import ForwardBackward

can_compile = Path(sysconfig.get_path("include"), "Python.h").exists() and any(
    map(shutil.which, ("c++", "g++", "clang++"))
)
needs_compiler = pytest.mark.skipif(
    not can_compile, reason="there is no C++ compiler, or Python has no headers"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder for compiled code that starts empty and serves all tests here."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def compiles(cache, monkeypatch):
    """Where compiled code of this process goes."""
    monkeypatch.setenv(VARIABLE, str(cache))
    yield
    torch.compiler.reset()


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.last = nn.Conv2d(4, 4, 3, stride=2, groups=2), nn.Linear(4, 3)

    def forward(self, x):
        x = nn.functional.gelu(self.norm(self.first(x)))
        return self.last(self.second(x).relu().mean((2, 3)))


def convolutional():
    model = Convolutional().double().eval()
    with torch.no_grad():
        for tensor in [*model.parameters(), model.norm.running_mean, model.norm.running_var]:
            tensor.add_(0.1 * torch.rand_like(tensor))
    return model, torch.randn(2, 3, 8, 8).double()


def reference(model, weights, images, head, labels):
    """Loss and gradients of the linearized model, written out: autograd through everything."""
    theta0 = {name: value.detach() for name, value in model.named_parameters()}
    theta = {name: value.clone().requires_grad_() for name, value in weights.items()}
    tau = {name: theta[name] - theta0[name] for name in theta}
    with forward_mode_attention():
        value, product = jvp(lambda w: functional_call(model, w, (images,)), (theta0,), (tau,))
        logits = nn.functional.normalize(value + product, dim=-1) @ head.T
        loss = nn.functional.cross_entropy(logits, labels)
        return loss, dict(zip(theta, torch.autograd.grad(loss, theta.values()), strict=True))


@needs_compiler
@pytest.mark.usefixtures("seed", "compiles")
@pytest.mark.parametrize("family", ["vision transformer", "convolutional"])
def test_compiled_equals_eager_equals_the_reference(family):
    model, images = convolutional() if family == "convolutional" else make(family)
    weights = moved(model, random_direction(model))
    with torch.no_grad():
        head = torch.randn(6, model(images).shape[1]).double()
    labels = torch.randint(6, (len(images),))
    expected, gradients = reference(model, weights, images, head, labels)
    # Loss and gradients are sums of rounding errors relative to the largest of their kind. To
    # compile takes most of a minute: once.
    kinds = [(torch.float64, False, 1e-10), (torch.float64, True, 1e-10)]
    kinds += [(torch.float32, False, 1e-4)]
    for dtype, compiled, tolerance in kinds:
        linearized = linearize(model.to(dtype))
        linearized.load_parameters(weights)
        step = InPrecision(linearized, ZeroShotHead(head.to(dtype).numpy()).on("cpu"), "none")
        if compiled:
            step.compile(torch.zeros_like(images, dtype=dtype))
        loss, _ = step(images.to(dtype), labels, 1 / len(images))
        torch.testing.assert_close(loss.double(), expected.detach(), rtol=tolerance, atol=0)
        difference = total = 0
        for name, parameter in linearized.model.named_parameters():
            difference += (parameter.grad.double() - gradients[name]).square().sum()
            total += gradients[name].square().sum()
        assert (difference / total).sqrt() < tolerance


class InPrecision(ForwardBackward):
    """The loss in the type of the model: `float()` would round float64."""

    def __call__(self, images, labels, scale):
        with forward_mode_attention():
            logits = self.head.logits(self._features(images))
            loss = scale * self.head.loss(logits, labels)
            loss.backward()
        return torch.stack([loss.detach(), logits.new_zeros(())])


@needs_compiler
@pytest.mark.usefixtures("compiles")
def test_a_compiled_training(script, finetuning, cache, tmp_path):
    """It has the eager one's numbers; killed, resumed and from the cache its own bits."""
    flags = finetuning | {"training": "linear", "compile": "on"}  # batches of 32, 32 and 8 images
    folders = {name: tmp_path / name for name in ("cold", "killed", "two", "eager")}
    script("finetune", **flags | {"output_dir": folders["cold"]})
    metrics = read_json(folders["cold"] / "metrics.json")
    assert metrics["engine"] == "compiled" and "settings" in metrics["engine_reason"]
    assert any(cache.iterdir())

    killed = flags | {"output_dir": folders["killed"], "processes": 1}
    killed["log"] = folders["killed"] / "run.log"
    started = ranks.start(1, killed, signals={0: 3}, environment={VARIABLE: str(cache)})
    assert ranks.statuses(started) == [143]
    assert torch.load(folders["killed"] / "state.pt", weights_only=True)["step"] == 5
    script("finetune", **flags | {"output_dir": folders["killed"]})
    one, other = (load_file(folders[name] / "encoder.safetensors") for name in ("cold", "killed"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    logs = [(folders[name] / "log.csv").read_bytes() for name in ("cold", "killed")]
    assert logs[0] == logs[1]

    script("finetune", **flags | {"output_dir": folders["eager"], "compile": "off"})
    assert read_json(folders["eager"] / "metrics.json")["engine"] == "eager"
    assert (folders["eager"] / "log.csv").read_bytes() != logs[0]
    weights_agree(folders["eager"], folders["cold"])


@needs_compiler
def test_two_processes_compile_and_give_the_weights_of_one(script, finetuning, cache, tmp_path):
    flags = in_parallel(finetuning, output_dir=tmp_path / "two") | {"compile": "on"}
    assert ranks.statuses(ranks.start(2, flags, environment={VARIABLE: str(cache)})) == [0, 0]
    assert read_json(tmp_path / "two" / "metrics.json")["engine"] == "compiled"
    script("finetune", **finetuning | {"output_dir": tmp_path / "one"})
    weights_agree(tmp_path / "one", tmp_path / "two")
    one, two = (read_csv(tmp_path / name / "log.csv") for name in ("one", "two"))
    for row, found in zip(one, two, strict=True):
        assert float(found["loss"]) == pytest.approx(float(row["loss"]), rel=1e-3)


def test_without_a_compiler_it_is_eager_and_says_why(finetuning, cache):
    nothing = {VARIABLE: str(cache / "nothing"), "PATH": "/nowhere", "CXX": ""}
    flags = finetuning | {"log": finetuning["output_dir"] / "run.log", "compile": "on"}
    assert ranks.statuses(ranks.start(1, flags, environment=nothing)) == [0]
    metrics = read_json(finetuning["output_dir"] / "metrics.json")
    assert metrics["engine"] == "eager" and "C++ compiler" in metrics["engine_reason"]
    assert "engine: eager (compiling fails: " in flags["log"].read_text()


class Untraceable(nn.Linear):
    def forward(self, x):
        torch._dynamo.graph_break()
        return super().forward(x)


@pytest.mark.usefixtures("compiles")
def test_a_training_goes_on_as_it_began_or_says_why_not():
    step = ForwardBackward(
        Untraceable(8, 24), ZeroShotHead(torch.randn(3, 24).numpy()).on("cpu"), "none"
    )
    compiled, eager = engine.Engine("compiled", "wanted"), engine.Engine("eager", "not wanted")
    like = torch.empty(4, 3, 8, 8, device="meta")
    assert engine.prepare(step, True, like, begun=eager) == eager
    instead = engine.prepare(step, True, like)
    assert instead.name == "eager" and instead.reason.startswith("compiling fails: ")
    with pytest.raises(UserError, match=r"began with compiled code.*remove state\.pt"):
        engine.prepare(step, False, like, begun=compiled)


class Telling(nn.PReLU):
    def forward(self, x):
        return super().forward(x) + (10 if torch.compiler.is_compiling() else 0)


@needs_compiler
@pytest.mark.usefixtures("compiles")
def test_one_shape_is_compiled_and_others_run_as_before():
    model = Telling()
    run = compile_for(model, torch.zeros(3))
    assert run(torch.tensor([-1.0, 2, 3])).tolist() == [9.75, 12, 13]
    assert run(torch.tensor([-1.0, 2])).tolist() == model(torch.tensor([-1.0, 2])).tolist()
