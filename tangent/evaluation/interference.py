"""The numerical check of proposition 1 on a model's own tangent kernel (section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tangent.arithmetic.linearized import parameters_of
from tangent.kernels.coupling import CouplingResult, check_proposition1
from tangent.kernels.gram import budget, classifier, ntk_gram
from tangent.kernels.kernel_cost import gradients_held, images_per_chunk
from tangent.models.heads.head import Head

COUPLINGS = tuple(round(0.1 * step, 1) for step in range(11))


@dataclass(frozen=True)
class TaskImages:
    """Images of one task.

    Attributes:
        images: normalised [images, 3, height, width].
        labels: classes [images].
    """

    images: Tensor
    labels: np.ndarray


def proposition1(
    encoder: nn.Module,
    head: Head,
    tasks: Sequence[TaskImages],
    logit: int,
    components: int,
) -> list[CouplingResult]:
    """Localization and interference for every coupling of the tasks' kernels.

    The target on each task tells its classes of even index from those of odd index.

    Args:
        encoder: at θ0.
        head: of all tasks' classes.
        tasks: images of at least two tasks.
        logit: the class whose tangent kernel is used.
        components: leading eigenfunctions per task that localization looks at.

    Raises:
        UserError: a task's images are all of even or all of odd classes.
    """
    theta0 = parameters_of(encoder)
    on_device = head.on(next(iter(theta0.values())).device)
    f = classifier(encoder, on_device)
    images = torch.cat([on_device.inputs(task.images) for task in tasks])
    # Gradients are as large as the model: hold those of some images, and make the rest again.
    weights, memory = budget(theta0)
    held, chunk = gradients_held(weights, memory), images_per_chunk(weights, memory, 1)
    gram = ntk_gram(f, theta0, images, None, [logit], chunk, held)[0]
    membership = np.repeat(np.arange(len(tasks)), [len(task.labels) for task in tasks])
    targets = np.concatenate([task.labels % 2 for task in tasks])
    return check_proposition1(gram.cpu().numpy(), membership, targets, COUPLINGS, components)
