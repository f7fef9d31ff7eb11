"""Parity with the published algorithm: each part against a plain re-writing of its description.

The re-writings know nothing of our code: the whole CLIP, not its image tower; one `jvp` over all
its parameters for each evaluation; for each α the model is run again; sums and choices are loops.
Models, inputs and task vectors are new in every run; float64.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import open_clip
import pytest
import torch
from published_algorithm import (
    PUBLISHED,
    published_best,
    published_linear,
    published_logits,
    published_loss,
    published_plain,
    published_weights,
)
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from tangent.arithmetic.alphas import alpha_grid, choose_addition_alpha, choose_negation_alpha
from tangent.arithmetic.linearized import linearize, multi_jvp_features, parameters_of
from tangent.evaluation import addition, negation
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.edited_plain import PlainEditedModel
from tangent.evaluation.evaluation_task import EvaluationTask
from tangent.evaluation.features import encode, jacobian_products
from tangent.models.heads.zero_shot import ZeroShotHead
from tangent.training.history import Record
from tangent.training.loop import Settings, finetune

SIZE, WIDTH, TASKS, CONTROL = 16, 7, ("a", "b", "c"), "z"
CLASSES = {"a": 3, "b": 4, "c": 5, "z": 4}
SPLITS = {"validation": 40, "test": 30}
EXACT = {"rtol": 1e-10, "atol": 1e-10}


@pytest.fixture
def clip(seed: int) -> Iterator[nn.Module]:
    """A whole CLIP with random weights in float64; attention that `jvp` can differentiate."""
    vision = {"image_size": SIZE, "patch_size": 8, "width": 24, "head_width": 8, "layers": 2}
    text = {"context_length": 5, "vocab_size": 9, "width": 8, "heads": 2, "layers": 1}
    model = open_clip.CLIP(WIDTH, vision, text, quick_gelu=True).double().eval()
    with torch.no_grad():
        for value in model.parameters():  # zeros and ones would hide mistakes
            value.add_(0.2 * torch.randn_like(value))
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with sdpa_kernel(SDPBackend.MATH):
        yield model
    torch.backends.mha.set_fastpath_enabled(fast_path)


def step_from(clip: nn.Module, size: float) -> dict[str, Tensor]:
    """A random step of the image tower that float32 can hold, as task vectors are kept."""
    return {
        name: (size * torch.randn_like(value)).float().double()
        for name, value in clip.visual.named_parameters()
    }


def images(count: int) -> Tensor:
    return torch.randn(count, 3, SIZE, SIZE, dtype=torch.float64)


def random_head(classes: int, scale: float = 10.0) -> ZeroShotHead:
    weight = torch.nn.functional.normalize(torch.randn(classes, WIDTH), dim=-1)
    return ZeroShotHead((scale * weight).numpy())


# The published method.


def test_linearized_features(clip):
    x, tau = images(5), step_from(clip, 0.3)
    weights = published_weights(clip, 1.0, tau)
    expected = published_linear(clip, weights, x)
    assert (expected - published_plain(clip, weights, x)).abs().max() > 1e-3
    # And the Taylor expansion written out: each number's gradient times the step.
    parameters = dict(clip.visual.named_parameters())
    value = clip.encode_image(x)
    for image, feature in np.ndindex(*value.shape):
        number = value[image, feature]
        gradient = torch.autograd.grad(number, parameters.values(), retain_graph=True)
        taylor = number.detach() + sum(
            (part * tau[name]).sum() for name, part in zip(parameters, gradient, strict=True)
        )
        torch.testing.assert_close(expected[image, feature], taylor, **EXACT)
    ours = linearize(clip.visual)
    ours.load_parameters({name: value.detach() + tau[name] for name, value in parameters.items()})
    torch.testing.assert_close(ours(x).detach(), expected, **EXACT)  # as it is trained
    with torch.no_grad():
        torch.testing.assert_close(ours(x), expected, **EXACT)


def test_features_are_closed_form_in_alpha(clip):
    """f(x; θ0) + α J(x)τ, with products made once, against a run of the model for each α."""
    x, taus = images(4), [step_from(clip, 0.2) for _ in range(2)]
    initial, (first, second) = multi_jvp_features(clip.visual, parameters_of(clip.visual), taus, x)
    for alpha in alpha_grid(-1, 1, 9):
        expected = published_linear(clip, published_weights(clip, alpha, *taus), x)
        torch.testing.assert_close(initial + alpha * (first + second), expected, **EXACT)


# Training.


class Examples:
    """Images in float64 that are not augmented; keeps the rows of each batch that was asked for."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        self.x, self.labels, self.asked = x, labels, []

    def draw(self, generator, rows):
        return rows

    def batch(self, rows, drawn, device):
        self.asked.append(rows)
        return self.x[rows]

    def like(self, count):
        return torch.empty(count, *self.x.shape[1:], dtype=self.x.dtype, device="meta")


@pytest.mark.parametrize("scale", [0.02, 20.0], ids=["gradients below the clip", "clipped"])
@pytest.mark.parametrize("training", ["standard", "linear"])
def test_losses_gradients_and_steps(clip, training, scale):
    """Learning rate, loss, accuracy and gradient norm of each step, and θ* after all nine.

    A step: cross-entropy, clip to norm 1, AdamW (β 0.9 and 0.999, ε 1e-8) whose decay pulls θ; the
    rate rises from rate/warm-up, then falls along half a cosine.
    """
    head = random_head(4, scale)
    examples = Examples(images(10), torch.randint(4, (10,)))
    settings = Settings(
        training, "task", seed=0, epochs=3, learning_rate=0.01, batch_size=4, warmup_steps=2,
        autocast="none",
    )  # fmt: skip
    record, theta0 = Record(), copy.deepcopy(clip.visual)
    result = finetune(theta0, head, examples, settings, record)
    assert [len(rows) for rows in examples.asked] == 3 * [4, 4, 2]
    predict = published_linear if training == "linear" else published_plain
    theta = published_weights(clip, 0.0)
    moments = {name: (torch.zeros_like(v), torch.zeros_like(v)) for name, v in theta.items()}
    norms = []
    for step, rows in enumerate(examples.asked):
        theta = {name: value.detach().requires_grad_() for name, value in theta.items()}
        logits = published_logits(predict(clip, theta, examples.x[rows]), head)
        loss = published_loss(logits, examples.labels[rows])
        found = torch.autograd.grad(loss, theta.values(), allow_unused=True)
        gradient = {n: g for n, g in zip(theta, found, strict=True) if g is not None}
        norm = math.sqrt(sum((value**2).sum().item() for value in gradient.values()))
        norms.append(norm)
        if step < 2:
            rate = 0.01 * (step + 1) / 2
        else:
            rate = 0.01 * (1 + math.cos(math.pi * (step - 2) / (9 - 2))) / 2
        row = record.rows[step]
        right = (logits.argmax(dim=1) == examples.labels[rows]).double().mean()
        expected = [rate, loss.item(), right.item(), norm]
        assert row[2:] == pytest.approx(expected, rel=1e-10, abs=1e-10)
        for name, value in gradient.items():
            value = value / max(1.0, norm + 1e-6)  # torch's clip adds this
            first, second = moments[name]
            first, second = 0.9 * first + 0.1 * value, 0.999 * second + 0.001 * value**2
            moments[name] = first, second
            mean, square = first / (1 - 0.9 ** (step + 1)), second / (1 - 0.999 ** (step + 1))
            pulled = theta[name].detach() * (1 - rate * 0.1)
            theta[name] = pulled - rate * mean / (square.sqrt() + 1e-8)
    assert (max(norms) > 1) == (scale > 1)
    for name, value in clip.named_parameters():
        ours = result.state.get(name.removeprefix("visual."))
        if name.startswith("visual."):
            assert not torch.equal(theta[name], value)
            torch.testing.assert_close(ours, theta[name], **EXACT)
        else:  # the text tower has no part in τ because it does not change
            torch.testing.assert_close(theta[name].detach(), value.detach(), rtol=0, atol=0)


# Editing.


class InMemory:
    """Images as evaluations see them."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.nbytes = x, x.nbytes

    def __len__(self) -> int:
        return len(self.x)

    def keep(self) -> None:
        pass

    def whole(self) -> Tensor:
        return self.x

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        yield from self.x.split(batch_size)


class Study:
    """Random tasks, and the curves of their accuracies in α as published.

    An image counts if none of its predictions hangs by less than the rounding of float32, in which
    features are stored. So accuracies can be compared exactly.
    """

    def __init__(self, clip: nn.Module, mode: str) -> None:
        self.clip, self.predict = clip, PUBLISHED[mode]
        self.alphas = alpha_grid(0, 1, 11)
        self.taus = {task: step_from(clip, 0.15) for task in TASKS}
        self.heads = {task: random_head(classes) for task, classes in CLASSES.items()}
        self.x, self.labels, self.right = {}, {}, {}
        for place in ((task, split) for task in CLASSES for split in SPLITS):
            self._draw(*place)

    def edits(self, task: str) -> dict[tuple[str, float], tuple[float, tuple[str, ...]]]:
        """What is asked of a task's images: (kind, α) -> (coefficient, task vectors)."""
        negated = TASKS if task == CONTROL else (task,)
        found = {(t, -alpha): (-alpha, (t,)) for t in negated for alpha in self.alphas}
        if task in TASKS:
            found |= {("sum", alpha): (alpha, TASKS) for alpha in self.alphas}
            found["single", 1.0] = 1.0, (task,)
        return found

    def _draw(self, task: str, split: str) -> None:
        x, head = images(2 * SPLITS[split]), self.heads[task]
        sure, predictions = torch.ones(len(x), dtype=torch.bool), {}
        for key, (alpha, vectors) in self.edits(task).items():
            weights = published_weights(self.clip, alpha, *(self.taus[name] for name in vectors))
            with torch.no_grad():
                logits = published_logits(self.predict(self.clip, weights, x), head)
            best = logits.topk(2, dim=1)
            sure &= best.values[:, 0] - best.values[:, 1] > 1e-4
            predictions[key] = best.indices[:, 0]
        kept = sure.nonzero().flatten()[: SPLITS[split]]
        assert len(kept) == SPLITS[split]
        # Labels of which different edits get a part right.
        answers = torch.stack(list(predictions.values()))[:, kept]
        labels = answers.gather(0, torch.randint(len(answers), (1, len(kept))))[0]
        self.x[task, split], self.labels[task, split] = x[kept], labels.numpy()
        for key, predicted in predictions.items():
            self.right[task, split, *key] = int((predicted[kept] == labels).sum())

    def accuracy(self, task: str, split: str, kind: str, alpha: float) -> float:
        return self.right[task, split, kind, alpha] / SPLITS[split]

    def tasks(self, names) -> list[EvaluationTask]:
        return [
            EvaluationTask(
                name, self.heads[name], lambda split, name=name: self.labels[name, split]
            )
            for name in names
        ]

    def edited(self, mode: str):
        """Ours: a look-up of products in the linearized modes, else the model with new weights."""
        encoder = copy.deepcopy(self.clip.visual)
        total = {name: sum(tau[name] for tau in self.taus.values()) for name in self.taus["a"]}
        vectors = self.taus | {"sum": total}
        if mode == "standard":
            load = lambda dataset, split, rows: InMemory(self.x[dataset, split])  # noqa: E731
            return PlainEditedModel(encoder, vectors, load, batch_size=16)
        stacked = {name: torch.stack([tau[name] for tau in vectors.values()]) for name in total}
        features, products = {}, {name: {} for name in vectors}
        for place, x in self.x.items():
            features[place] = encode(encoder, InMemory(x), 16)
            made = jacobian_products(encoder, stacked, InMemory(x), 16)
            for name, part in zip(vectors, made, strict=True):
                products[name][place] = part
        return LinearizedEditedModel(features, products)


@pytest.mark.parametrize("mode", ["standard", "posthoc"])
def test_editing_by_evaluating_the_model_again_for_each_alpha(clip, mode):
    """The mode `linear` is `posthoc` with other task vectors."""
    study = Study(clip, mode)
    edited = study.edited(mode)
    check_addition(study, edited)
    check_negation(study, edited)


def check_addition(study, edited):
    """The curve, the choice of the largest mean normalised accuracy, and the test at it."""
    tasks = study.tasks(TASKS)
    single = {
        split: {task: study.accuracy(task, split, "single", 1.0) for task in TASKS}
        for split in SPLITS
    }
    points = addition.sweep(edited, tasks, single["validation"], study.alphas, "sum")
    assert len(points) == len(study.alphas) * len(TASKS)
    for point in points:
        accuracy = study.accuracy(point.task, "validation", "sum", point.alpha)
        normalized = accuracy / single["validation"][point.task]
        assert (point.accuracy, point.normalized) == pytest.approx(
            (accuracy, normalized), abs=1e-10
        )
    # Means of ratios of whole numbers, exactly.
    means = {
        alpha: sum(
            Fraction(study.right[task, "validation", "sum", alpha],
                     study.right[task, "validation", "single", 1.0])
            for task in TASKS
        ) / len(TASKS)
        for alpha in study.alphas
    }  # fmt: skip
    chosen = addition.choose(points, study.alphas)
    best = published_best(means, set(study.alphas), largest=True)
    assert means[chosen] == means[best]
    if len({tuple(study.right[t, "validation", "sum", a] for t in TASKS)
            for a in study.alphas if means[a] == means[best]}) == 1:  # fmt: skip
        assert chosen == best  # other ties are broken by rounding, there and here
    found = addition.evaluate(edited, tasks, single["test"], {"sum": chosen})
    accuracies = {task: study.accuracy(task, "test", "sum", chosen) for task in TASKS}
    ratios = [accuracies[task] / single["test"][task] for task in TASKS]
    assert found["absolute"] == pytest.approx(sum(accuracies.values()) / 3, abs=1e-10)
    assert found["normalized"] == pytest.approx(sum(ratios) / 3, abs=1e-10)


def check_negation(study, edited):
    """The curves, the choice of the smallest target accuracy that keeps 95 % of the control's."""
    *tasks, control = study.tasks((*TASKS, CONTROL))
    for task in tasks:
        before = negation.pretrained(edited, (task, control), "validation")
        points = negation.sweep(edited, task, control, study.alphas, before)
        curves = {
            name: {a: study.accuracy(name, "validation", task.name, -a) for a in study.alphas}
            for name in (task.name, CONTROL)
        }
        for point in points:
            assert point.accuracy == pytest.approx(curves[point.task][point.alpha], abs=1e-10)
        required = 0.95 * curves[CONTROL][0.0]
        allowed = {alpha for alpha, accuracy in curves[CONTROL].items() if accuracy >= required}
        assert 0.0 in allowed
        measured = [[p.accuracy for p in points if p.task == name] for name in curves]
        chosen = choose_negation_alpha(study.alphas, *measured, 0.95 * before[CONTROL])
        assert chosen == published_best(curves[task.name], allowed, largest=False)
        found = negation.evaluate(edited, task, control, chosen)
        for key, name in (("target", task.name), ("control", CONTROL)):
            expected = study.accuracy(name, "test", task.name, -chosen)
            assert found[key] == pytest.approx(expected, abs=1e-10)


def test_choices_where_many_coefficients_are_equally_good(rng):
    for _ in range(200):
        alphas = alpha_grid(0, 1, int(rng.integers(2, 22)))
        values, target, control = rng.integers(0, 4, (3, len(alphas))) / 4
        best = published_best(dict(zip(alphas, values, strict=True)), set(alphas), largest=True)
        assert choose_addition_alpha(alphas, values) == best
        required = 0.95 * control[0]
        allowed = {a for a, kept in zip(alphas, control, strict=True) if kept >= required}
        best = published_best(dict(zip(alphas, target, strict=True)), allowed, largest=False)
        assert choose_negation_alpha(alphas, target, control, required) == best
