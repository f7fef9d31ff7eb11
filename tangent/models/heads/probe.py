"""The linear probe of closed-vocabulary models (docs/families.md), and how it is fitted.

It is a multinomial logistic regression on frozen features, by scikit-learn's L-BFGS.
With standardised features z = (f − mean) / deviation of the training split a probe minimises

    C · Σ_i cross-entropy(W z_i + b, y_i) + ‖W‖² / 2.

The deviation is each feature's own, or one for all: the root of the features' mean variance. Of
features that are zero but for a few images, as behind a ReLU, the own one is nearly zero too, and
the probe gives them weights by the thousand: too many for a head under which they are to move.
Of two classes it has the difference w of their weights alone, with the penalty ‖w‖² / 2. Mean and
deviation then become part of weight and bias, so that a head reads features as they are.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_safetensors
from tangent.models.heads.head import Head, TorchHead, accuracy

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler
    from torch import Tensor

    from tangent.tasks.task_files import Task

logger = logging.getLogger("tangent")

Deviation = Literal["own", "common"]

# Of the mean gradient's largest entry. Scikit-learn's 1e-4 leaves differences in the third digit.
TOLERANCE = 1e-6
ITERATIONS = 20_000


class _TorchProbeHead(TorchHead):
    def logits(self, features: Tensor) -> Tensor:
        weight, bias = (self.tensors[name].to(features) for name in ("weight", "bias"))
        return features @ weight.T + bias


@dataclass(frozen=True, eq=False)
class ProbeHead(Head):
    """Logits are an affine map of the features as they are."""

    kind: ClassVar[str] = "probe"
    title: ClassVar[str] = "a linear probe"
    tensors: ClassVar[dict[str, str]] = {
        "weight": "float32 [classes, d]",
        "bias": "float32 [classes]",
    }
    on_device: ClassVar[type[TorchHead]] = _TorchProbeHead
    weight: np.ndarray
    bias: np.ndarray

    def _scores(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


def own_classifier(path: Path, encoder: Path, task: Task) -> ProbeHead:
    """The classifier that a model was pre-trained with, as the head of a task of its classes.

    It is what the file `path` of the whole model has and the one of its encoder alone has not.

    Raises:
        UserError: a file is missing or damaged, or the model has no linear classifier with a bias
            of as many classes.
    """
    whole, _ = read_safetensors(path, framework="np")
    rest = whole.keys() - read_safetensors(encoder, framework="np")[0].keys()
    others = {name.rpartition(".")[2]: whole[name] for name in rest}
    remedy = "remove the model from the config key probe.own_classifier, and a probe is fitted."
    if len(rest) != 2 or set(others) != {"weight", "bias"} or others["weight"].ndim != 2:
        raise UserError(f"{path} has no linear classifier of its own: {remedy}")
    head = ProbeHead(others["weight"], others["bias"])
    if head.classes != len(task.classes):
        raise UserError(
            f"the classifier of {path.parent} knows {head.classes} classes, but the task "
            f"{task.name} has {len(task.classes)}: {remedy}"
        )
    return head


class Fit(NamedTuple):
    """A fitted probe and how its regularisation was chosen.

    Attributes:
        head: the probe.
        chosen: its C.
        accuracies: validation accuracy, in [0, 1], at each C that was tried, in increasing order.
    """

    head: ProbeHead
    chosen: float
    accuracies: dict[float, float]


class Labelled(NamedTuple):
    """Features [n, d] and labels [n] (whole numbers from 0) of one split."""

    features: np.ndarray
    labels: np.ndarray


def fit(
    train: Labelled,
    validation: Labelled,
    classes: Sequence[str],
    strengths: Sequence[float],
    task: str,
    deviation: Deviation = "own",
) -> Fit:
    """Fit a probe for each C and keep the one of the best validation accuracy.

    Ties go to the smallest C, the strongest regularisation. Fits start at the last one's solution;
    each goes on to convergence.

    Args:
        train: what is fitted.
        validation: what chooses C.
        classes: names of the classes, in the order of the labels.
        strengths: values of C, in increasing order.
        task: its name, for messages.
        deviation: by which features are divided: `own`, or `common` to all.

    Raises:
        UserError: a class has no training image, a feature is not a finite number, or a fit does
            not converge.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    missing = sorted(set(range(len(classes))) - set(train.labels.tolist()))
    if missing:
        others = f" and of {len(missing) - 1} more classes" if len(missing) > 1 else ""
        raise UserError(
            f"task {task}: its training split has no image of the class "
            f"{classes[missing[0]]!r}{others}, so a linear probe cannot learn it: use more "
            f"training images (datasets.{task}.train_images) or a copy of the data set that has "
            "all classes."
        )
    for split in (train, validation):
        if not np.isfinite(split.features).all():
            raise UserError(
                f"task {task}: some features are not finite numbers, so no linear probe can be "
                "fitted: the model's weights are damaged (run the step `pretrained` again)."
            )
    scaler = StandardScaler().fit(train.features.astype(np.float64))
    if deviation == "common":
        scaler.scale_ = np.full_like(scaler.scale_, np.sqrt(scaler.var_.mean()) or 1.0)
    standardised = scaler.transform(train.features.astype(np.float64))
    model = LogisticRegression(tol=TOLERANCE, max_iter=ITERATIONS, warm_start=True)
    heads, accuracies = [], []
    for strength in strengths:
        model.set_params(C=strength)
        with warnings.catch_warnings(action="error", category=ConvergenceWarning):
            try:
                model.fit(standardised, train.labels)
            except ConvergenceWarning as warning:
                raise UserError(
                    f"task {task}: the linear probe has not converged at C = {strength:g} within "
                    f"{ITERATIONS} iterations: lower probe.maximum."
                ) from warning
        heads.append(_of_raw_features(model, scaler))
        accuracies.append(accuracy(validation.features, validation.labels, heads[-1]))
        logger.info("C = %g: validation accuracy %.4f", strength, accuracies[-1])
    best = accuracies.index(max(accuracies))
    return Fit(heads[best], strengths[best], dict(zip(strengths, accuracies, strict=True)))


def _of_raw_features(model: LogisticRegression, scaler: StandardScaler) -> ProbeHead:
    """The same probe, of features that are not standardised."""
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two classes scikit-learn has the difference alone
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    raw = weight / scaler.scale_
    shifted = bias - raw @ scaler.mean_
    return ProbeHead(raw.astype(np.float32), shifted.astype(np.float32))
