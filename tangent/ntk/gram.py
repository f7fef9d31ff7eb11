"""The neural tangent kernel k(x, x') = ∇_θ f(x; θ0)·∇_θ f(x'; θ0) of logits (section 3).

Gradients of a batch are made by one forward pass and one vector-Jacobian product per logit, under
`vmap` over the images. They are large (as many numbers per image as the model has weights), so they
are made in chunks and used up at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from tangent.errors import UserError
from tangent.linearize import forward_mode_attention

Logits = Callable[[Mapping[str, Tensor], Tensor], Tensor]
"""f(θ, x): weights by name and images [batch, ...] to logits [batch, classes]."""

CHUNK_SIZE = 10
"""Images whose gradients are made at once, where memory allows it."""

GRADIENT_BYTES = {"cpu": 5 * 2**28, "cuda": 16 * 2**30}
"""Memory for the gradients that are held at once; what does not fit is made again."""


def images_held(theta0: Mapping[str, Tensor], memory: int | None = None) -> int:
    """Images whose gradients of one logit fit into `memory` bytes; at least one.

    Args:
        theta0: the weights to differentiate in.
        memory: `GRADIENT_BYTES` of the device if None.
    """
    return max(1, (memory or _memory(theta0)) // _bytes(theta0))


def images_per_chunk(theta0: Mapping[str, Tensor], logits: int, memory: int | None = None) -> int:
    """Images whose gradients of all `logits` are made at once: a quarter of `memory`, at most 10.

    10 was measured: with 2.7 million weights, 100 images and 3 logits, 10 need 2.3 GB in all and 25
    need 2.9 GB, at the same speed on a CPU.
    """
    return min(CHUNK_SIZE, max(1, (memory or _memory(theta0)) // 4 // (logits * _bytes(theta0))))


def _memory(theta0: Mapping[str, Tensor]) -> int:
    return GRADIENT_BYTES[next(iter(theta0.values())).device.type]


def _bytes(theta0: Mapping[str, Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in theta0.values())


def classifier(encoder: nn.Module, head: Tensor) -> Logits:
    """The whole classifier as a function of the encoder's weights, f(θ, x) → logits [batch, c].

    Args:
        encoder: images to features [batch, d]; used in evaluation mode.
        head: zero-shot weight [classes, d]; the head normalises features and is constant.
    """
    encoder.eval()

    def logits(theta: Mapping[str, Tensor], images: Tensor) -> Tensor:
        features = functional_call(encoder, dict(theta), (images,))
        return F.normalize(features, dim=-1) @ head.to(features).T

    return logits


def logit_gradients(
    f: Logits,
    theta0: Mapping[str, Tensor],
    images: Tensor,
    logits: Sequence[int],
    chunk_size: int = CHUNK_SIZE,
) -> Iterator[list[Tensor]]:
    """Per-image gradients ∇_θ f_c(x; θ0), chunk by chunk.

    Args:
        f: weights and images to logits [batch, classes], image by image (no batch statistics).
        theta0: the weights to differentiate in, P numbers in all.
        images: [n, ...].
        logits: indices c of the logits.
        chunk_size: images per chunk; a chunk holds len(logits) × chunk_size × P numbers.

    Yields:
        for each chunk, one tensor [logits, chunk, weights] per tensor of `theta0`, in its order.

    Raises:
        UserError: there is no image or no logit, or f has no logit of that index.
    """
    chosen = list(logits)
    if len(images) == 0 or not chosen or chunk_size < 1:
        raise UserError(
            f"a tangent kernel of {len(images)} images, {len(chosen)} logits and chunks of "
            f"{chunk_size} cannot be made: each must be at least 1."
        )
    theta0 = {name: value.detach() for name, value in theta0.items()}
    with forward_mode_attention(), torch.no_grad():
        classes = f(theta0, images[:1]).shape[1]
    if min(chosen) < 0 or max(chosen) >= classes:
        raise UserError(f"logits {chosen} were asked for, but the head has {classes} (from 0).")
    one_hot = torch.eye(len(chosen), dtype=images.dtype, device=images.device)

    def gradients(image: Tensor) -> dict[str, Tensor]:
        _, pull = vjp(lambda theta: f(theta, image[None])[0, chosen], theta0)
        return vmap(lambda cotangent: pull(cotangent)[0])(one_hot)

    for chunk in images.split(chunk_size):
        with forward_mode_attention():
            made = vmap(gradients)(chunk)
        yield [value.flatten(start_dim=2).transpose(0, 1).detach() for value in made.values()]


def ntk_gram(
    f: Logits,
    theta0: Mapping[str, Tensor],
    images_1: Tensor,
    images_2: Tensor | None = None,
    logits: Sequence[int] = (0,),
    chunk_size: int = CHUNK_SIZE,
    held_images: int | None = None,
) -> Tensor:
    """Kernel matrices K[c, i, j] = ∇f_c(x_i)·∇f_c(x'_j), one for each logit.

    With P weights, at most (held_images + chunk_size) × P numbers are in memory: the gradients of
    `held_images` images of the second set, for one logit at a time, and of a chunk of the first
    set. Where the second set is not held whole, the first set's are made again for each part; of a
    set with itself, only those that a part has not met.

    Args:
        f, theta0, chunk_size: as for `logit_gradients`.
        images_1: [n1, ...].
        images_2: [n2, ...]; `images_1` if None, and then K is symmetric.
        logits: indices of the logits.
        held_images: images of the second set whose gradients are held at once; all if None.

    Returns:
        [logits, n1, n2], in the type of the gradients (float32 for a float32 model).

    Raises:
        UserError: as `logit_gradients`.
    """
    if images_2 is None:
        grams = [
            _symmetric(f, theta0, images_1, logit, chunk_size, held_images) for logit in logits
        ]
    else:
        parts = images_2.split(held_images or max(1, len(images_2)))
        grams = [
            torch.cat(
                [_columns(f, theta0, images_1, part, logit, chunk_size) for part in parts], dim=1
            )
            for logit in logits
        ]
    return torch.stack(grams)


def held_gradients(
    f: Logits, theta0: Mapping[str, Tensor], images: Tensor, logit: int, chunk_size: int
) -> list[Tensor]:
    """Gradients of one logit, all held: one tensor [n, weights] per tensor of `theta0`."""
    held: list[Tensor] = []
    done = 0
    for chunk in logit_gradients(f, theta0, images, [logit], chunk_size):
        held = held or [part.new_empty(len(images), part.shape[2]) for part in chunk]
        for rows, part in zip(held, chunk, strict=True):
            rows[done : done + part.shape[1]] = part[0]
        done += chunk[0].shape[1]
    return held


def inner_products(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Inner products [n1, n2] of gradients [n1, weights] and [n2, weights] over all tensors."""
    return sum(a @ b.T for a, b in zip(first, second, strict=True))


def _symmetric(
    f: Logits,
    theta0: Mapping[str, Tensor],
    images: Tensor,
    logit: int,
    chunk_size: int,
    held_images: int | None,
) -> Tensor:
    """K[i, j] of a set with itself, part by part of its columns; what is below is mirrored.

    Gradients that are made twice differ in their last bits, and so would K[i, j] and K[j, i].
    """
    n = len(images)
    held_images = held_images or max(1, n)
    gram = None
    for start in range(0, max(1, n), held_images):
        end = min(start + held_images, n)
        held = held_gradients(f, theta0, images[start:end], logit, chunk_size)
        block = inner_products(held, held)
        gram = block.new_empty(n, n) if gram is None else gram
        gram[start:end, start:end] = block
        if end < n:
            later = [
                inner_products([part[0] for part in chunk], held)
                for chunk in logit_gradients(f, theta0, images[end:], [logit], chunk_size)
            ]
            gram[end:, start:end] = torch.cat(later)
            gram[start:end, end:] = gram[end:, start:end].T
    return gram


def _columns(
    f: Logits,
    theta0: Mapping[str, Tensor],
    images_1: Tensor,
    images_2: Tensor,
    logit: int,
    chunk_size: int,
) -> Tensor:
    held = held_gradients(f, theta0, images_2, logit, chunk_size)
    return torch.cat(
        [
            inner_products([part[0] for part in chunk], held)
            for chunk in logit_gradients(f, theta0, images_1, [logit], chunk_size)
        ]
    )
