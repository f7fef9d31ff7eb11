"""Contrastive pre-training of the demo's CLIP from nothing (Radford et al., 2021, at a toy scale).

A batch repeats captions, unlike one of the web. So images are matched with the *distinct* captions
of their batch, and each caption with all of its images.
"""

import logging
import math
import statistics
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip import SimpleTokenizer
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch.nn.attention import SDPBackend, sdpa_kernel

from tangent.demo import world
from tangent.demo.photographs import TEST_IMAGES
from tangent.jobs.files import write_json, write_safetensors
from tangent.models.compact_checkpoint import TOKEN_IDS
from tangent.tasks.task_files import load_task
from tangent.training.pretraining.pixels import PREPROCESSING, normalise
from tangent.training.pretraining.recipes import WEIGHTS_FILE, Contrastive
from tangent.training.pretraining.steps import Objective

CONTEXT_LENGTH = 16
FULL_VOCABULARY = 49408
EMBED_DIM = 192
# Image encoders, as open_clip's vision_cfg.
TOWERS: dict[str, dict[str, Any]] = {
    # 2.7 million parameters, 17 tokens.
    "vit": {"layers": 6, "width": 192, "head_width": 32, "patch_size": 8, "image_size": 32},
    "convnext": {
        "timm_model_name": "convnext_atto_ols",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 32,
    },
}
TEXT = {"context_length": CONTEXT_LENGTH, "width": 192, "heads": 6, "layers": 2}
EVALUATION_IMAGES, EVALUATION_SEED = 1000, 1
HELD_OUT_IMAGES = 9000
_LARGEST_SCALE = math.log(100)

logger = logging.getLogger("tangent")


class Vocabulary:
    """open_clip's tokenizer over the tokens in use, renumbered from 0 in the same order.

    The order keeps the end-of-text token the largest, which is how open_clip finds it.
    """

    def __init__(self, texts: list[str]) -> None:
        self._tokenizer = SimpleTokenizer(context_length=CONTEXT_LENGTH)
        self.token_ids: torch.Tensor = self._tokenizer(texts).unique()

    def __len__(self) -> int:
        return len(self.token_ids)

    def encode(self, texts: list[str]) -> torch.Tensor:
        """Compact token numbers int64 [texts, context]."""
        return torch.searchsorted(self.token_ids, self._tokenizer(texts))


def prompts() -> list[str]:
    """Every prompt of the nine tasks' zero-shot heads."""
    names = (*world.TASKS, world.CONTROL_TASK)
    return [text for name in names for row in load_task(name).prompts() for text in row]


def build_model(tower: str, vocab_size: int) -> CLIP:
    """Return an untrained model."""
    return CLIP(
        embed_dim=EMBED_DIM,
        vision_cfg=CLIPVisionCfg(**TOWERS[tower]),
        text_cfg=CLIPTextCfg(**TEXT, vocab_size=vocab_size),
    )


def open_clip_config(tower: str) -> dict[str, Any]:
    """The model in open_clip's hub format, with the tokenizer's whole vocabulary."""
    return {
        "model_cfg": {
            "embed_dim": EMBED_DIM,
            "vision_cfg": TOWERS[tower],
            "text_cfg": {**TEXT, "vocab_size": FULL_VOCABULARY},
        },
        "preprocess_cfg": PREPROCESSING,
    }


def contrastive_loss(logits: torch.Tensor, caption_of_image: torch.Tensor) -> torch.Tensor:
    """Mean of both directions' cross entropy, where several images may share a caption.

    Args:
        logits: scaled similarities [images, distinct captions].
        caption_of_image: int64 [images], the column of each image's caption.
    """
    to_caption = F.cross_entropy(logits, caption_of_image)
    matches = F.one_hot(caption_of_image, logits.shape[1]).T.to(logits.dtype)
    matches = matches / matches.sum(dim=1, keepdim=True)
    to_images = F.cross_entropy(logits.T, matches)
    return (to_caption + to_images) / 2


class ContrastiveObjective(Objective):
    """Captioned images, rendered, and a CLIP (see `steps.Objective`).

    The model's weights are drawn from torch's global generator.

    Attributes:
        model: over the compact vocabulary.
        vocabulary: of the captions and of all tasks' prompts.
    """

    def __init__(self, recipe: Contrastive) -> None:
        self._tower, self._autocast = recipe.tower, recipe.autocast
        started = time.monotonic()
        self._pixels, captions, _ = world.pretraining_data(recipe.images, recipe.seed)
        distinct = sorted(set(captions))
        number = {text: index for index, text in enumerate(distinct)}
        self._caption_of_image = torch.tensor([number[text] for text in captions])
        self.vocabulary = Vocabulary(distinct + prompts())
        self._tokens = self.vocabulary.encode(distinct)
        logger.info(
            "%d images, %d captions, %d tokens in %.0f s",
            recipe.images,
            len(distinct),
            len(self.vocabulary),
            time.monotonic() - started,
        )
        self.model = build_model(recipe.tower, len(self.vocabulary))

    def loss(self, chosen: torch.Tensor) -> torch.Tensor:
        """The contrastive loss of the images `chosen`, int64 [batch]."""
        model = self.model
        used, inverse = self._caption_of_image[chosen].unique(return_inverse=True)
        # 17 tokens are too few for the fused kernel: its backward pass is slower than this one.
        bfloat16 = torch.autocast("cpu", torch.bfloat16, enabled=self._autocast == "bfloat16")
        with sdpa_kernel(SDPBackend.MATH), bfloat16:
            images = model.encode_image(normalise(self._pixels[chosen.numpy()]), normalize=True)
            texts = model.encode_text(self._tokens[used], normalize=True)
        logits = model.logit_scale.exp() * images.float() @ texts.float().T
        return contrastive_loss(logits, inverse)

    @torch.no_grad()
    def constrain(self) -> None:
        """Keep the logits' scale at 100 at most."""
        self.model.logit_scale.clamp_(max=_LARGEST_SCALE)

    def write(self, folder: Path) -> None:
        """Write a compact checkpoint and its configuration in open_clip's hub format."""
        write_safetensors(folder / WEIGHTS_FILE, checkpoint(self.model, self.vocabulary))
        write_json(folder / "open_clip_config.json", open_clip_config(self._tower))

    def metrics(self) -> dict[str, Any]:
        """Zero-shot accuracies of fresh images: of pre-training's own kind, and of the tasks."""
        # No more than it was trained on: a small try is over soon.
        most = len(self._pixels)
        images, held_out = min(EVALUATION_IMAGES, most), min(HELD_OUT_IMAGES, most)
        described = self.model, self.vocabulary
        accuracies = zero_shot_accuracies(*described, images, EVALUATION_SEED)
        return {
            "held_out": held_out_accuracy(*described, held_out, EVALUATION_SEED),
            "held_out_images": held_out,
            "zero_shot": accuracies,
            "zero_shot_mean_of_tasks": statistics.mean(accuracies[task] for task in world.TASKS),
            "zero_shot_control": accuracies[world.CONTROL_TASK],
            "evaluation_images": images,
        }


prepare = ContrastiveObjective


def checkpoint(model: CLIP, vocabulary: Vocabulary) -> dict[str, torch.Tensor]:
    """The tensors of a compact checkpoint (see `tangent.models.compact_checkpoint`)."""
    tensors = {name: value.half() for name, value in model.state_dict().items()}
    return tensors | {TOKEN_IDS: vocabulary.token_ids}


@torch.no_grad()
def zero_shot_accuracies(
    model: CLIP, vocabulary: Vocabulary, images: int, seed: int
) -> dict[str, float]:
    """Zero-shot accuracy, in [0, 1], on fresh test images of each task and the control task.

    Args:
        model: over the compact vocabulary.
        vocabulary: of `model`.
        images: how many of each task (of digits, as many as there are at most).
        seed: of the images.
    """
    model.eval()
    accuracies = {}
    for name in (*world.TASKS, world.CONTROL_TASK):
        pixels, labels = _test_images(name, images, seed)
        logits = _features(model, pixels) @ _head(model, vocabulary, name).T
        accuracies[name] = float((logits.argmax(dim=1).numpy() == labels).mean())
    return accuracies


@torch.no_grad()
def held_out_accuracy(model: CLIP, vocabulary: Vocabulary, images: int, seed: int) -> float:
    """Zero-shot accuracy, in [0, 1], on images of the pre-training distribution itself.

    The number that recipes are compared by: nothing of the eight tasks' shifts is in it. A class is
    looked for among those of the image's domain.

    Args:
        model: over the compact vocabulary.
        vocabulary: of `model`.
        images: how many, of all domains in pre-training's shares.
        seed: of the images; another one than the recipe's, so that none was trained on.
    """
    model.eval()
    pixels, _, labels = world.pretraining_data(images, seed)
    domains = np.array([domain for domain, _ in world.pretraining_classes()])
    features, right = _features(model, pixels), 0
    for domain in dict.fromkeys(domains):
        (classes,) = np.nonzero(domains == domain)
        (rows,) = np.nonzero(np.isin(labels, classes))
        predicted = (features[rows] @ _head(model, vocabulary, domain).T).argmax(dim=1).numpy()
        right += int((classes[predicted] == labels[rows]).sum())
    return right / images


def _head(model: CLIP, vocabulary: Vocabulary, task: str) -> torch.Tensor:
    """Normalised embeddings of a task's classes [classes, features], means over its prompts."""
    encoded = [
        model.encode_text(vocabulary.encode(row), normalize=True).mean(dim=0)
        for row in load_task(task).prompts()
    ]
    return F.normalize(torch.stack(encoded), dim=-1)


def _features(model: CLIP, pixels: np.ndarray) -> torch.Tensor:
    """Features [n, features] of images uint8 [n, 32, 32, 3], not normalised."""
    parts = np.array_split(pixels, -(-len(pixels) // 128))
    return torch.cat([model.encode_image(normalise(part)) for part in parts])


@cache
def _test_images(task: str, images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    count = min(images, TEST_IMAGES) if task == "digits" else images
    return world.render_task(task, "test", count, seed)
