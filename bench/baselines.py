"""The methods that ours are compared with, written from their published descriptions.

They are what a careful implementation does without the ideas of this pipeline: no sharing of
passes, no closed form in α, no products in place of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, jvp, vmap

from tangent.arithmetic.forward_mode import forward_mode_attention


class EagerLinearizedModel(nn.Module):
    """f(x; θ0) + J(x)·(θ − θ0) by `torch.func.jvp`, differentiated by autograd as it stands.

    Reverse mode goes through value and tangent alike, so the graph of both is kept and walked.

    Args:
        model: f, at θ0.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.initial = model.requires_grad_(False)
        self.theta = nn.ParameterList(value.clone() for value in model.parameters())

    def forward(self, images: Tensor) -> Tensor:
        """[batch, 3, height, width] to [batch, d]."""
        theta0 = dict(self.initial.named_parameters())
        pairs = zip(theta0.items(), self.theta, strict=True)
        direction = {name: value - initial for (name, initial), value in pairs}

        def f(weights: dict[str, Tensor]) -> Tensor:
            return functional_call(self.initial, weights, (images,))

        with forward_mode_attention():
            value, product = jvp(f, (theta0,), (direction,))
        return value + product


def re_evaluated_sweep(
    encoder: nn.Module,
    task_vector: Mapping[str, Tensor],
    batches: Callable[[], Iterable[Tensor]],
    alphas: Sequence[float],
) -> list[Tensor]:
    """Features of f_lin(·; θ0 + ατ) for each α, the linearized model evaluated anew for each.

    Args:
        encoder: f, at θ0.
        task_vector: τ.
        batches: starts a pass over the images.
        alphas: the coefficients.

    Returns:
        for each α, [images, d].
    """
    theta0 = {name: value.detach() for name, value in encoder.named_parameters()}

    def features(images: Tensor, alpha: float) -> Tensor:
        def f(weights: dict[str, Tensor]) -> Tensor:
            return functional_call(encoder, weights, (images,))

        direction = {name: alpha * task_vector[name] for name in theta0}
        return sum(jvp(f, (theta0,), (direction,)))

    with torch.no_grad(), forward_mode_attention():
        return [torch.cat([features(images, alpha) for images in batches()]) for alpha in alphas]


def dense_kernel(
    f: Callable[[Mapping[str, Tensor], Tensor], Tensor],
    theta0: Mapping[str, Tensor],
    images: Tensor,
    chunk: int = 10,
) -> Tensor:
    """The tangent kernel of all logits, from the gradients of all images in one matrix.

    Args:
        f: weights and images to logits [batch, classes].
        theta0: the weights.
        images: [n, ...].
        chunk: images whose gradients are made at once.

    Returns:
        [n·classes, n·classes], image by image.
    """

    def of_image(image: Tensor) -> Mapping[str, Tensor]:
        return jacrev(lambda theta: f(theta, image[None])[0])(theta0)

    rows, done = None, 0
    for part in images.split(chunk):
        with forward_mode_attention():
            made = vmap(of_image)(part)
        flat = torch.cat([value.flatten(start_dim=2) for value in made.values()], dim=2)
        flat = flat.flatten(end_dim=1).detach()
        if rows is None:
            rows = flat.new_empty(len(images) * (len(flat) // len(part)), flat.shape[1])
        rows[done : done + len(flat)] = flat
        done += len(flat)
    return rows @ rows.T
