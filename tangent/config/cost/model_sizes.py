"""Parameters, arithmetic and sizes of open_clip's vision transformers, in closed form; no torch."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.models.clip import CONFIG_FILE

BYTES = 4
"""A float32 number: weights, features and products are kept in this type."""


@dataclass(frozen=True)
class ModelSizes:
    """Bytes that costs are made of; of other architectures only the encoder's are known.

    Attributes:
        encoder: weights of the image encoder.
        whole: weights of the whole model.
        row: features of an image.
        pixels: an image as it is stored, in the model's size.
        passing: an image on its way through a block, when nothing is kept, and its pixels.
        kept: activations of an image that autograd keeps.
        kept_of_blocks: likewise with activation checkpointing: the blocks' inputs, and one block's.
    """

    encoder: int
    whole: int = 0
    row: int = 0
    pixels: int = 0
    passing: int = 0
    kept: int = 0
    kept_of_blocks: int = 0


@dataclass(frozen=True)
class Transformer:
    """A stack of pre-norm blocks: attention, then a perceptron with one hidden layer.

    Attributes:
        layers: blocks.
        width: size of a token.
        heads: attention heads.
        hidden: size of the perceptron's hidden layer.
        tokens: length of the sequence.
        quick_gelu: whether the hidden layer's activation is QuickGELU.
    """

    layers: int
    width: int
    heads: int
    hidden: int
    tokens: int
    quick_gelu: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases of the blocks."""
        w, h = self.width, self.hidden
        norms = 4 * w
        attention = 4 * w * w + 4 * w
        return self.layers * (norms + attention + 2 * w * h + h + w)

    @property
    def flops(self) -> int:
        """Operations of a forward pass; a multiplication and an addition are two.

        Matrix products only: what is left out (norms, softmax, activations) is below 2 %.
        """
        per_token = 4 * self.width**2 + 2 * self.width * self.hidden
        attention = 2 * self.tokens * self.width
        return 2 * self.layers * self.tokens * (per_token + attention)

    @property
    def activations(self) -> int:
        """Numbers kept of one sequence for a backward pass: a count that is right within 10 %.

        Per block and token: about 10.5 widths (norms, products, sums), the hidden layer before and
        after its activation, QuickGELU's sigmoid too, and a row of attention weights per head,
        which fused attention does not keep.
        """
        hidden = (3 if self.quick_gelu else 2) * self.hidden
        per_token = 10.5 * self.width + hidden + self.heads * self.tokens
        return int(self.layers * self.tokens * per_token)


@dataclass(frozen=True)
class Architecture:
    """A CLIP model with a vision transformer.

    Attributes:
        image: its blocks for images.
        text: its blocks for texts.
        embedding: size of the features.
        patch: side of a patch, in pixels.
        image_size: side of an image, in pixels.
        vocabulary: tokens of a text.
    """

    image: Transformer
    text: Transformer
    embedding: int
    patch: int
    image_size: int
    vocabulary: int

    @property
    def encoder_parameters(self) -> int:
        """Weights of the image encoder: what is fine-tuned and what a task vector holds."""
        w = self.image.width
        patches = 3 * self.patch**2 * w
        class_token, positions, norms = w, self.image.tokens * w, 4 * w
        return (
            patches + class_token + positions + norms + self.image.parameters + w * self.embedding
        )

    @property
    def parameters(self) -> int:
        """Weights of the whole model."""
        w = self.text.width
        embeddings = (self.vocabulary + self.text.tokens) * w
        text = embeddings + self.text.parameters + 2 * w + w * self.embedding
        return self.encoder_parameters + text + 1  # the temperature

    @property
    def image_flops(self) -> int:
        """Operations of one image's forward pass."""
        w = self.image.width
        patches = 2 * (self.image.tokens - 1) * 3 * self.patch**2 * w
        return patches + self.image.flops + 2 * w * self.embedding

    @cached_property
    def sizes(self) -> ModelSizes:
        """Bytes in float32."""
        image = self.image
        of_block = image.activations // image.layers
        pixels = 3 * self.image_size**2
        return ModelSizes(
            encoder=BYTES * self.encoder_parameters,
            whole=BYTES * self.parameters,
            row=BYTES * self.embedding,
            pixels=pixels,
            passing=BYTES * (of_block + pixels),
            kept=BYTES * image.activations,
            kept_of_blocks=BYTES * (image.layers * image.tokens * image.width + of_block),
        )

    @property
    def text_flops(self) -> int:
        """Operations of one text's forward pass."""
        return self.text.flops + 2 * self.text.width * self.embedding


def architecture_of(entry: Mapping[str, Any], name: str) -> Architecture:
    """The architecture of the model `name`, from its value under the key `pretrained`.

    Raises:
        UserError: the architecture is unknown, or is no vision transformer of open_clip's own.
    """
    if "folder" in entry:
        path = Path(entry["folder"]) / CONFIG_FILE
        config = read_json(path).get("model_cfg", {})
    elif entry["source"] in ("open_clip", "random"):
        path = _open_clip_file(entry["name"], name)
        config = read_json(path)
    else:
        raise UserError(
            f"pretrained.{name}: there is no estimate for models of the source "
            f"{entry['source']!r}: leave the model out of the estimate."
        )
    try:
        return architecture(config)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"pretrained.{name}: there is no estimate for the architecture in {path}, which is not "
            "a vision transformer of open_clip's own: leave the model out of the estimate."
        ) from error


def architecture(config: Mapping[str, Any]) -> Architecture:
    """The architecture of open_clip's `model_cfg`.

    Raises:
        KeyError, TypeError: it is not a vision transformer of open_clip's own.
    """
    vision, text = config["vision_cfg"], config["text_cfg"]
    patch, size = vision["patch_size"], vision["image_size"]
    heads, tokens = vision["width"] // vision.get("head_width", 64), (size // patch) ** 2 + 1
    image = _blocks(vision, heads, tokens, config.get("quick_gelu", False))
    texts = _blocks(text, text["heads"], text["context_length"])
    return Architecture(image, texts, config["embed_dim"], patch, size, text["vocab_size"])


def _blocks(
    section: Mapping[str, Any], heads: int, tokens: int, quick_gelu: bool = False
) -> Transformer:
    width = section["width"]
    hidden = int(width * section.get("mlp_ratio", 4.0))
    return Transformer(int(section["layers"]), width, heads, hidden, tokens, quick_gelu)


@cache
def _open_clip_file(architecture_name: str, name: str) -> Path:
    # open_clip ships these files; importing it would import torch.
    package = importlib.util.find_spec("open_clip")
    if package is None:
        raise UserError(
            f"pretrained.{name}: there is no estimate without open_clip, which is missing."
        )
    path = Path(package.origin).parent / "model_configs" / f"{architecture_name}.json"
    if not path.exists():
        raise UserError(f"pretrained.{name}.name: open_clip has no model {architecture_name!r}.")
    return path
