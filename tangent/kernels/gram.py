"""The neural tangent kernel k(x, x') = ∇_θ f(x; θ0)·∇_θ f(x'; θ0) of logits (section 3).

Gradients of a batch are made by one forward pass and one vector-Jacobian product per logit, under
`vmap` over the images. They are large (as many numbers per image as the model has weights), so they
are made in chunks and used up at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from tangent.arithmetic.forward_mode import forward_mode_attention
from tangent.arithmetic.linearizable import copies_of
from tangent.jobs.errors import UserError
from tangent.kernels.kernel_cost import CHUNK_SIZE, GRADIENT_BYTES
from tangent.models.heads.head import TorchHead

Logits = Callable[[Mapping[str, Tensor], Tensor], Tensor]
"""f(θ, x): weights by name and images [batch, ...] to logits [batch, classes]."""


def budget(theta0: Mapping[str, Tensor], memory: int | None = None) -> tuple[int, int]:
    """Bytes of the weights, and bytes for gradients: `GRADIENT_BYTES` of the device if None."""
    size = sum(value.numel() * value.element_size() for value in theta0.values())
    return size, memory or GRADIENT_BYTES[next(iter(theta0.values())).device.type]


def classifier(encoder: nn.Module, head: TorchHead) -> Logits:
    """The whole classifier as a function of the encoder's weights, f(θ, x) → logits [batch, c].

    Args:
        encoder: inputs to features [batch, d]; used in evaluation mode.
        head: features to logits; a constant.
    """
    encoder.eval()

    def logits(theta: Mapping[str, Tensor], images: Tensor) -> Tensor:
        return head.logits(functional_call(encoder, dict(theta), (head.inputs(images),)))

    return logits


@dataclass(frozen=True)
class LogitGradients:
    """Per-image gradients ∇_θ f_c(x; θ0), and what is made of them.

    Every method raises a UserError if there is no image or no logit, f has no logit of an index, or
    f changes its weights.

    Attributes:
        f: weights and images to logits [batch, classes], image by image (no batch statistics).
        theta0: the weights to differentiate in, P numbers in all.
        chunk_size: images per chunk; a chunk holds len(logits) × chunk_size × P numbers.
    """

    f: Logits
    theta0: Mapping[str, Tensor]
    chunk_size: int = CHUNK_SIZE

    def kernels(self, images: Tensor, logits: Sequence[int] | Literal["all"]) -> list[list[int]]:
        """The logits of each kernel: one kernel per logit, or one of all logits together."""
        chosen = self._chosen(images, logits)
        return [chosen] if logits == "all" else [[logit] for logit in chosen]

    def chunks(self, images: Tensor, logits: Sequence[int]) -> Iterator[list[Tensor]]:
        """Gradients of images [n, ...], chunk by chunk.

        Yields:
            for each chunk, one tensor [logits, chunk, weights] per tensor of θ0, in its order.
        """
        if self.chunk_size < 1:
            raise UserError(
                f"gradients of {self.chunk_size} images at once were asked for: at least 1."
            )
        theta0 = {name: value.detach() for name, value in self.theta0.items()}
        chosen = self._chosen(images, logits)
        weight = next(iter(theta0.values()))
        one_hot = torch.eye(len(chosen), dtype=weight.dtype, device=weight.device)

        def gradients(image: Tensor) -> dict[str, Tensor]:
            _, pull = vjp(lambda theta: self.f(theta, image[None])[0, chosen], theta0)
            return vmap(lambda cotangent: pull(cotangent)[0])(one_hot)

        for chunk in images.split(self.chunk_size):
            with forward_mode_attention():
                made = vmap(gradients)(chunk)
            yield [value.flatten(start_dim=2).transpose(0, 1).detach() for value in made.values()]

    def rows(self, images: Tensor, logits: Sequence[int]) -> Iterator[list[Tensor]]:
        """The same as rows [chunk·C, weights]: image by image, logits within an image."""
        for chunk in self.chunks(images, logits):
            yield [part.transpose(0, 1).flatten(0, 1) for part in chunk]

    def held(self, images: Tensor, logits: Sequence[int]) -> list[Tensor]:
        """Gradients, all held: one tensor [n·C, weights] per tensor of θ0."""
        n, done = len(images) * len(logits), 0
        held = [value.new_empty(n, value.numel()) for value in self.theta0.values()]
        for rows in self.rows(images, logits):
            for whole, part in zip(held, rows, strict=True):
                whole[done : done + len(part)] = part
            done += len(rows[0])
        return held

    def gram(
        self,
        images_1: Tensor,
        images_2: Tensor | None,
        logits: Sequence[int],
        held_images: int | None = None,
    ) -> Tensor:
        """The kernel matrix of C logits together, with a row for each image and logit.

        At most (held_images + chunk_size) × C × P numbers are in memory: the gradients of
        `held_images` images of the second set and of a chunk of the first. Where the second set is
        not held whole, the first set's are made again for each part; of a set with itself, only
        those that a part has not met.

        Args:
            images_1: [n1, ...].
            images_2: [n2, ...]; `images_1` if None, and then K is symmetric.
            logits: their indices.
            held_images: images of the second set whose gradients are held at once; all if None.

        Returns:
            [n1·C, n2·C]; rows are in the order of the images, logits within an image.
        """
        if images_2 is None:
            return self._symmetric(images_1, logits, held_images or max(1, len(images_1)))
        columns = []
        for part in images_2.split(held_images or max(1, len(images_2))):
            held = self.held(part, logits)
            columns.append(
                torch.cat([inner_products(rows, held) for rows in self.rows(images_1, logits)])
            )
        return torch.cat(columns, dim=1)

    def _symmetric(self, images: Tensor, logits: Sequence[int], held_images: int) -> Tensor:
        """K of a set with itself, part by part of its columns; what is below is mirrored.

        Gradients that are made twice differ in their last bits, and so would K[i, j] and K[j, i].
        """
        n, per_image = len(images), len(logits)
        gram = None
        for start in range(0, max(1, n), held_images):
            end = min(start + held_images, n)
            held = self.held(images[start:end], logits)
            block = inner_products(held, held)
            gram = block.new_empty(n * per_image, n * per_image) if gram is None else gram
            part, rest = slice(start * per_image, end * per_image), slice(end * per_image, None)
            gram[part, part] = block
            if end < n:
                later = [inner_products(rows, held) for rows in self.rows(images[end:], logits)]
                gram[rest, part] = torch.cat(later)
                gram[part, rest] = gram[rest, part].T
        return gram

    def _chosen(self, images: Tensor, logits: Sequence[int] | Literal["all"]) -> list[int]:
        if len(images) == 0:
            raise UserError("a tangent kernel of 0 images cannot be made: at least 1 is needed.")
        # f may write to what it is given; that it does is told here, before any gradient.
        with forward_mode_attention(), torch.no_grad(), copies_of(self.theta0, False) as weights:
            classes = self.f(weights, images[:1]).shape[1]
        chosen = list(range(classes) if logits == "all" else logits)
        if not chosen:
            raise UserError("a tangent kernel of 0 logits cannot be made: at least 1 is needed.")
        if min(chosen) < 0 or max(chosen) >= classes:
            raise UserError(f"logits {chosen} were asked for, but the head has {classes} (from 0).")
        return chosen


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

    Args and errors are those of `LogitGradients` and its `gram`; memory is that of one logit.

    Returns:
        [logits, n1, n2], in the type of the gradients (float32 for a float32 model).
    """
    gradients = LogitGradients(f, theta0, chunk_size)
    return torch.stack(
        [gradients.gram(images_1, images_2, [logit], held_images) for logit in logits]
    )


def inner_products(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Inner products [n1, n2] of gradients [n1, weights] and [n2, weights] over all tensors."""
    return sum(a @ b.T for a, b in zip(first, second, strict=True))
