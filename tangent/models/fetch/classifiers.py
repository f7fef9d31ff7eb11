"""Classifiers of timm: with weights of the hub, of a Python package, or of a pre-training."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, read_safetensors
from tangent.jobs.hub_cache import checked_sha256
from tangent.jobs.keys import Folder, NonEmptyString, PositiveInteger, Sha256
from tangent.jobs.sources import check_sha256
from tangent.models import closed_vocabulary
from tangent.models.fetch import model_source
from tangent.models.fetch.fetched import SOURCE_MODEL_FILE, Fetched
from tangent.models.published.tensors import read_tensors

if TYPE_CHECKING:
    from torch import Tensor


class PretrainedTimm(model_source.ImageModelSource):
    """A classifier of timm, from the hub: linear probes take the place of its last layer."""

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True

    source: Literal["timm"]
    """`timm`: one of timm's models with weights."""
    name: NonEmptyString
    """timm's name of architecture and weights, such as `vit_base_patch16_224.augreg_in1k`."""

    def fetch(self) -> Fetched:
        """Download the weights into the hub client's cache."""
        import timm
        from huggingface_hub import hf_hub_download

        known = timm.list_pretrained()
        if self.name not in known:
            raise UserError(
                f"pretrained: timm has no weights {self.name!r} (its names are "
                f"<architecture>.<tag>).{model_source.nearest(self.name, known)}"
            )
        settings = timm.get_pretrained_cfg(self.name)
        model_source.check_image_size(settings.input_size[1:], self.image_size)
        try:
            weights = Path(hf_hub_download(settings.hf_hub_id, SOURCE_MODEL_FILE))
        except Exception as error:  # the hub's client has a dozen exceptions for "no network"
            what = f"{self.name} could not be fetched from the hub's {settings.hf_hub_id}"
            raise model_source.not_fetched(what, error) from error
        checked_sha256(weights, f"pretrained: {self.name}")
        overlay = {"file": str(weights)}
        model = timm.create_model(self.name, pretrained=True, pretrained_cfg_overlay=overlay)
        config = _timm_config(self.name, settings, self.image_size)
        return _closed_vocabulary(config, model.float().state_dict(), [])


class PretrainedPackage(model_source.ImageModelSource):
    """A convolutional classifier of timm with the weights that a Python package carries.

    Linear probes take the place of its last layer.
    """

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True

    source: Literal["package"]
    """`package`: weights in an installed Python package; its code is not run."""
    package: NonEmptyString
    """The package's name, as pip has it."""
    file: Folder
    """Path of the torch file in the folder of installed packages. It must hold tensors only, in the
    order of timm's architecture; their names do not matter."""
    sha256: Sha256
    """SHA-256 of the file, in hexadecimal."""
    architecture: NonEmptyString
    """timm's name of the architecture."""
    image_size: PositiveInteger
    """Height and width to which images are decoded, in pixels; it need not be that of the
    pre-training."""
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    """Order of the convolutions' weights in memory, and with them of images. `channels_last` takes
    a seventh off a training step on a CPU; last bits differ."""

    def fetch(self) -> Fetched:
        """Read the package's file."""
        import timm
        import torch

        path = self._path()
        settings = timm.get_pretrained_cfg(self.architecture)
        if settings is None:
            hint = model_source.nearest(self.architecture, timm.list_models())
            raise UserError(f"pretrained: timm has no architecture {self.architecture!r}.{hint}")
        config = _timm_config(self.architecture, settings, self.image_size)
        with torch.device("meta"):
            expected = closed_vocabulary.new_model(config).state_dict()
        config["model_cfg"]["memory_format"] = self.memory_format
        return _closed_vocabulary(config, _renamed(read_tensors(path), expected, path), [path])

    def _path(self) -> Path:
        try:
            path = Path(distribution(self.package).locate_file(self.file))
        except PackageNotFoundError as error:
            raise UserError(
                f"pretrained: the Python package {self.package}, which carries the weights, is not "
                "installed: run `make real-environment`, or install it by pip into the environment "
                "that Snakemake runs in."
            ) from error
        if not path.is_file():
            raise UserError(
                f"pretrained: the installed package {self.package} has no file {self.file}: "
                "correct the key file, or install the version that envs/real.in names."
            )
        mishap = "The package was damaged or has another version: install it again"
        check_sha256(path, self.sha256, "pretrained, key sha256", mishap)
        return path


def from_pretraining(folder: Path) -> Fetched:
    """What a supervised pre-training wrote into a folder."""
    files = [folder / SOURCE_MODEL_FILE, folder / closed_vocabulary.CONFIG_FILE]
    weights, _ = read_safetensors(files[0])
    return _closed_vocabulary(read_json(files[1]), weights, files)


def _renamed(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """A file's tensors under the names of an architecture's, one to one in their order.

    Implementations of one network name its tensors differently but define them in one order.
    """
    if len(found) != len(expected):
        raise UserError(
            f"{path} holds {len(found)} tensors, but the architecture has {len(expected)}: correct "
            "the key architecture (pretrained)."
        )
    for (theirs, value), (ours, other) in zip(found.items(), expected.items(), strict=True):
        if value.shape != other.shape:
            raise UserError(
                f"{path}: {theirs} has shape {list(value.shape)}, but {ours}, in the same place of "
                f"the architecture, {list(other.shape)}: correct the key architecture (pretrained)."
            )
    return dict(zip(expected, found.values(), strict=True))


def _timm_config(name: str, settings: Any, image_size: int) -> dict[str, Any]:
    """The configuration of a model with timm's `settings`, for images of a size."""
    return {
        "model_cfg": {"architecture": name, "model_args": {}, "num_classes": settings.num_classes},
        "preprocess_cfg": {
            "size": [image_size, image_size],
            "mean": list(settings.mean),
            "std": list(settings.std),
            "interpolation": settings.interpolation,
            "resize_mode": "shortest",
            "fill_color": 0,
        },
    }


def _closed_vocabulary(
    config: dict[str, Any], weights: dict[str, Tensor], files: list[Path]
) -> Fetched:
    import torch

    with torch.device("meta"):
        names = closed_vocabulary.new_encoder(config).state_dict()
    encoder = {name: weights[name] for name in names if name in weights}
    return Fetched("closed_vocabulary", config, weights, encoder, files)
