"""Encoder features f(x; θ0) and Jacobian-vector products J(x)·τ of whole data sets, in batches."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tangent.arithmetic.forward_mode import forward_mode_attention
from tangent.arithmetic.linearizable import check_evaluation_mode
from tangent.arithmetic.linearized import parameters_of, stacked_jvp_features
from tangent.data.augmentation import central_squares, in_stored_pixels, resized_crop
from tangent.data.preprocess import normalize, to_device
from tangent.data.split import Split, TokenSplit, load_split, sample_rows
from tangent.jobs.progress import Progress

Pass = Callable[[Tensor], Tensor]


class Examples(Protocol):
    """Examples of one split, as evaluations see them: the inputs of an encoder, batch by batch."""

    def __len__(self) -> int: ...

    @property
    def nbytes(self) -> int:
        """Size of all examples as they are kept."""

    def keep(self) -> None:
        """Keep examples on the device once they have been read."""

    def whole(self) -> Tensor:
        """All examples at once."""

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Batches [batch_size, ...] in order."""


class Images:
    """Images of one split: read, moved and normalised batch by batch.

    Of training images only `tangent.data.regions` are kept. Their central squares, resampled,
    are what the evaluation preprocessing makes of the originals up to rounding, and exactly that
    where originals have the model's size.

    Args:
        split: the split; its images stay on disk.
        preprocess: the model's evaluation preprocessing (`tangent.models.preprocess_config`).
        device: where batches go.
        rows: the images wanted, in this order; all of them if None.
    """

    def __init__(
        self,
        split: Split,
        preprocess: Mapping[str, Any],
        device: torch.device | str = "cpu",
        rows: np.ndarray | None = None,
    ) -> None:
        self._split, self._preprocess, self._device = split, preprocess, device
        self._rows = np.arange(len(split)) if rows is None else rows
        self._kept: Tensor | None = None
        self._read = 0  # images that are in `_kept`, from the first on

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Size of all images as they are stored, uint8."""
        height, width = self._split.sizes.max(axis=0)
        return len(self) * int(height) * int(width) * 3

    def keep(self) -> None:
        """Keep images on the device, as uint8, once they have been read."""
        height, width = self._split.sizes.max(axis=0)
        shape = (len(self), height, width, 3)
        self._kept = torch.empty(shape, dtype=torch.uint8, device=self._device)

    def whole(self) -> Tensor:
        """All images at once, float32 [images, 3, height, width]."""
        return next(self.batches(len(self)))

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Float32 batches [batch_size, 3, height, width] in order."""
        for start in range(0, len(self), batch_size):
            rows = self._rows[start : start + batch_size]
            yield self._preprocessed(self._pixels(start, rows), rows)

    def _pixels(self, start: int, rows: np.ndarray) -> Tensor:
        """Images uint8 [rows, 3, height, width], as they are stored."""
        stop = start + len(rows)
        if self._kept is not None and stop <= self._read:
            return self._kept[start:stop].permute(0, 3, 1, 2)
        pixels = to_device(self._split.read(rows), self._device)
        if self._kept is not None:
            self._kept[start:stop] = pixels.permute(0, 2, 3, 1)
            self._read = stop
        return pixels

    def _preprocessed(self, pixels: Tensor, rows: np.ndarray) -> Tensor:
        if self._split.originals is not None:
            originals, sizes = self._split.originals[rows], self._split.sizes[rows]
            size = tuple(self._preprocess["size"])
            boxes = in_stored_pixels(central_squares(originals, size[0]), originals, sizes)
            squares = resized_crop(pixels.contiguous(), boxes, size)
            pixels = squares.contiguous(memory_format=torch.channels_last)  # as the others are
        return normalize(pixels, self._preprocess)


class Texts:
    """Texts of one split: tokens int64 [texts, L + C·T], which are small enough to be kept.

    Args are those of `Images`.
    """

    def __init__(
        self,
        split: TokenSplit,
        preprocess: Mapping[str, Any],
        device: torch.device | str = "cpu",
        rows: np.ndarray | None = None,
    ) -> None:
        wanted = np.arange(len(split)) if rows is None else rows
        self._tokens = torch.from_numpy(split.read(wanted)).to(device)

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def nbytes(self) -> int:
        return self._tokens.nbytes

    def keep(self) -> None:
        """They are kept."""

    def whole(self) -> Tensor:
        """All texts at once."""
        return self._tokens

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Batches [batch_size, L + C·T] in order."""
        yield from self._tokens.split(batch_size)


# How evaluations see the splits of each kind.
_EXAMPLES: dict[str, Callable[..., Examples]] = {"image": Images, "text": Texts}


class StoredExamples:
    """Examples of data sets, `{folder}/{dataset}/{split}.safetensors`, as a model reads them."""

    def __init__(
        self, folder: Path, preprocess: Mapping[str, Any], device: torch.device | str = "cpu"
    ) -> None:
        self._folder = folder
        self._preprocess = preprocess
        self._device = device

    def __call__(self, dataset: str, split: str, rows: np.ndarray | None = None) -> Examples:
        """Examples of `split`: all of them, or those of `rows`.

        Raises:
            UserError: the split is missing, unreadable or prepared for other models.
        """
        stored = load_split(self._folder / dataset, split, self._preprocess)
        return _EXAMPLES[stored.kind](stored, self._preprocess, self._device, rows)

    def sample(
        self, dataset: str, split: str, examples: int, seed: int
    ) -> tuple[np.ndarray, Examples]:
        """Rows and examples of a seeded sample of `split`: all of them if there are fewer.

        Raises:
            UserError: as above.
        """
        rows = sample_rows(len(self(dataset, split)), examples, seed)
        return rows, self(dataset, split, rows)


def attention_of_device(device: torch.device | str) -> AbstractContextManager[None]:
    """The attention to evaluate with: the device's own, but always the math backend on a CPU.

    So a CPU gives a plain pass at θ0 the same bits as the primal value of a Jacobian-vector
    product, at the same speed.
    """
    return forward_mode_attention() if torch.device(device).type == "cpu" else nullcontext()


def encode(
    encoder: nn.Module,
    examples: Examples,
    batch_size: int,
    autocast: str = "none",
    progress: Progress | None = None,
) -> np.ndarray:
    """Features f(x; θ) [examples, features] (float32) at the encoder's present weights θ.

    Args:
        encoder: f.
        examples: on the encoder's device.
        batch_size: examples per pass.
        autocast: `bfloat16` or `none` (float32).
        progress: counts examples.
    """
    device = next(encoder.parameters()).device
    with torch.inference_mode(), attention_of_device(device):
        return _in_batches(encoder, examples, batch_size, autocast, progress)


def jacobian_products(
    encoder: nn.Module,
    directions: Mapping[str, Tensor],
    examples: Examples,
    batch_size: int,
    autocast: str = "none",
    progress: Progress | None = None,
    results: list[Tensor] | None = None,
    after_batch: Callable[[], None] | None = None,
) -> np.ndarray:
    """Products J(x)·τ [directions, examples, features] (float32), with J at the encoder's weights.

    One primal pass and a tangent per direction for each batch; with the features at θ0 they give
    the linearized model at every α (section 3 of the paper).

    Args:
        encoder: f.
        directions: of each weight all τ, [directions, *shape], on the encoder's device.
        examples, batch_size, autocast, progress: as for `encode`.
        results: of the first batches, if there are any yet; those of the others are appended.
        after_batch: called when the result of a batch has been appended.

    Raises:
        UserError: the encoder is in training mode, changes its weights, or has an operation without
            a forward-mode derivative.
    """
    check_evaluation_mode(encoder)
    theta0 = parameters_of(encoder)
    with torch.no_grad():
        return _in_batches(
            lambda batch: stacked_jvp_features(encoder, theta0, directions, batch)[1],
            examples,
            batch_size,
            autocast,
            progress,
            results,
            after_batch,
        )


def _in_batches(
    run: Pass,
    examples: Examples,
    batch_size: int,
    autocast: str,
    progress: Progress | None,
    results: list[Tensor] | None = None,
    after_batch: Callable[[], None] | None = None,
) -> np.ndarray:
    results = [] if results is None else results
    # Batches that are skipped are read all the same, in no time beside a pass of the model.
    for batch in islice(examples.batches(batch_size), len(results), None):
        # Results stay on the device until the end: a copy per batch would make a GPU wait.
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=autocast == "bfloat16"):
            results.append(run(batch).float())
        if progress is not None:
            progress.update(len(batch))
        if after_batch is not None:
            after_batch()
    return torch.cat(results, dim=-2).cpu().numpy()
