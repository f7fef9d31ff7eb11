"""The plain edited model f(x; θ0 + Σα_tτ_t): an encoder whose weights are edited in place."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from tangent.arithmetic.linearized import parameters_of
from tangent.arithmetic.task_vector import TaskVector, edit_
from tangent.evaluation.feature_tables import Table, features_in
from tangent.evaluation.features import Examples, encode
from tangent.evaluation.kept_images import image_budget
from tangent.jobs.errors import UserError


class PlainEditedModel:
    """An `EditedModel` that runs the encoder at the edited weights.

    There is one encoder: θ0 is kept beside it, and θ0 + Σα_tτ_t is written into its parameters
    whenever the coefficients change. Splits are opened once per (data set, split, rows), and their
    images stay on the device, as far as its budget goes; the others are read in every pass.

    Args:
        encoder: the encoder at θ0, on the device to run on; its weights change from here on.
        task_vectors: τ by name, of a task or merged.
        load_images: images of (data set, split) for the encoder's device, with all rows or those
            given as indices.
        initial: f(x; θ0) by (data set, split) if it is known already: answers α = 0 without a pass.
        batch_size: images per pass.
        autocast: `bfloat16` or `none` (float32); features are float32.
        image_bytes: memory for images that are kept; `image_budget` of the device if None. No
            result depends on it.
    """

    def __init__(
        self,
        encoder: nn.Module,
        task_vectors: Mapping[str, Mapping[str, Tensor]],
        load_images: Callable[[str, str, np.ndarray | None], Examples],
        initial: Table | None = None,
        batch_size: int = 256,
        autocast: str = "none",
        image_bytes: int | None = None,
    ) -> None:
        self._encoder = encoder.eval()
        self._theta0 = {name: value.clone() for name, value in parameters_of(encoder).items()}
        device = next(iter(self._theta0.values())).device
        self._task_vectors = {
            name: (tau if isinstance(tau, TaskVector) else TaskVector(tau)).to(device)
            for name, tau in task_vectors.items()
        }
        self._load_images = load_images
        self._initial = initial
        self._batch_size = batch_size
        self._autocast = autocast
        if image_bytes is None:
            is_gpu = device.type == "cuda"
            total = torch.cuda.get_device_properties(device).total_memory if is_gpu else 0
            image_bytes = image_budget(device.type, total)
        self._image_bytes = image_bytes
        self._images: dict[tuple[str, str, bytes | None], Examples] = {}
        self._present: dict[str, float] = {}  # coefficients of the weights now in the encoder

    def features(
        self,
        coefficients: Mapping[str, float],
        dataset: str,
        split: str,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `EditedModel.features`.

        Raises:
            UserError: also if a task vector does not have the encoder's parameters.
        """
        for name in coefficients:
            self._vector(name)
        edit = {name: float(alpha) for name, alpha in coefficients.items() if alpha != 0}
        if not edit and self._initial is not None:
            table = features_in(self._initial, dataset, split)
            return table if rows is None else table[rows]
        if edit != self._present:  # a heat map's point needs the same weights for two data sets
            edits = [(alpha, self._vector(name)) for name, alpha in edit.items()]
            edit_(self._encoder, self._theta0, edits)
            self._present = edit
        images = self._images_of(dataset, split, rows)
        return encode(self._encoder, images, self._batch_size, self._autocast)

    def _images_of(self, dataset: str, split: str, rows: np.ndarray | None) -> Examples:
        key = (dataset, split, None if rows is None else np.asarray(rows).tobytes())
        if key not in self._images:
            images = self._load_images(dataset, split, rows)
            if images.nbytes <= self._image_bytes:
                self._image_bytes -= images.nbytes
                images.keep()
            self._images[key] = images
        return self._images[key]

    def _vector(self, name: str) -> TaskVector:
        if name not in self._task_vectors:
            raise UserError(
                f"no task vector {name!r}, only {', '.join(self._task_vectors)}: give its file too "
                "(--task-vectors NAME=FILE, made by scripts.extract_task_vector)."
            )
        return self._task_vectors[name]
