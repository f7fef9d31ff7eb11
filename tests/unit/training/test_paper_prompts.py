"""The prompts of the paper's tasks, read by open_clip itself."""

from __future__ import annotations

from dataclasses import replace

import open_clip
import pytest
import torch

from tangent.models.heads.zero_shot import build_head
from tangent.tasks.task_files import load_task

NAMES = ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "sun397", "svhn", "imagenet")
MOST_PROMPTS = 400


@pytest.fixture(scope="module")
def tokenizer():
    return open_clip.get_tokenizer("ViT-B-32-quickgelu")


@pytest.fixture
def clip(seed):
    """A CLIP with the real vocabulary and context, and other random weights in every run."""
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    vision = {"layers": 1, "width": 16, "head_width": 16, "patch_size": 16, "image_size": 16}
    return open_clip.CLIP(embed_dim=24, vision_cfg=vision, text_cfg=text).eval()


def test_imagenets_lists_are_open_clips() -> None:
    task = load_task("imagenet")
    assert task.classes == tuple(open_clip.IMAGENET_CLASSNAMES)
    theirs = [template("XYZ") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
    assert [template.format("XYZ") for template in task.templates] == theirs


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_fits_into_the_context(name, tokenizer) -> None:
    prompts = (prompt for of_class in load_task(name).prompts() for prompt in of_class)
    assert max(map(len, map(tokenizer.encode, prompts))) + 2 <= 77  # start and end of the text


@pytest.mark.parametrize("name", NAMES)
def test_the_head_is_open_clips_classifier_times_the_scale(name, clip, tokenizer, rng) -> None:
    task = load_task(name)
    count = min(len(task.classes), max(2, MOST_PROMPTS // len(task.templates)))
    chosen = rng.choice(len(task.classes), count, replace=False)
    task = replace(task, classes=tuple(task.classes[index] for index in chosen), label_names=())
    head = build_head(clip, tokenizer, task)
    theirs = open_clip.build_zero_shot_classifier(
        clip, tokenizer, list(task.classes), list(task.templates)
    )
    expected = theirs.T * clip.logit_scale.exp()
    assert head.weight.shape == (count, 24)
    torch.testing.assert_close(
        torch.from_numpy(head.weight), expected.detach(), atol=1e-5, rtol=1e-5
    )
