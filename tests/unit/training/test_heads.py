"""Zero-shot heads against open_clip's own builder."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch

from tangent.jobs.errors import UserError
from tangent.models.clip import load_model, load_tokenizer
from tangent.models.heads.stored import load_head
from tangent.models.heads.zero_shot import build_head
from tangent.tasks.task_files import Task, load_task


def test_heads_equal_open_clips_classifier_times_the_scale(pretrained, heads):
    model = open_clip.create_model(f"local-dir:{pretrained}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{pretrained}")
    for name in ("shapes", "counting"):
        task = load_task(name)
        expected = (
            open_clip.build_zero_shot_classifier(
                model, tokenizer, list(task.classes), list(task.templates)
            ).T
            * model.logit_scale.exp()
        )
        ours = load_head(heads / name / "head.safetensors")
        np.testing.assert_allclose(ours.weight, expected.detach().numpy(), atol=1e-5)
        assert ours.weight.dtype == np.float32 and ours.weight.shape == (len(task.classes), 24)


def test_a_prompt_that_the_model_would_cut_is_refused(pretrained):
    words = "circle " * 10
    fits = Task("toy", "", ("circle", words.strip()), ("{}",))  # 10 words and two ends: 12 tokens
    too_long = Task("toy", "", ("circle", words.strip()), ("a {}",))
    model, tokenizer = load_model(pretrained), load_tokenizer(pretrained)
    assert build_head(model, tokenizer, fits).weight.shape == (2, 24)
    with pytest.raises(UserError, match="'a circle circle.*more than the 12 tokens"):
        build_head(model, tokenizer, too_long)


def test_a_token_that_a_compact_checkpoint_left_out_is_refused(pretrained):
    task = Task("toy", "", ("circle", "giraffe"), ("a {}",))
    with pytest.raises(UserError, match="'a giraffe' uses a token"):
        build_head(load_model(pretrained), load_tokenizer(pretrained), task)


def test_an_unknown_task_is_refused_before_the_model_is_loaded(script, pretrained, tmp_path):
    with pytest.raises(UserError, match="unknown task 'shape'"):
        script(
            "build_head",
            pretrained_dir=pretrained,
            task="shape",
            threads=1,
            device="cpu",
            output=tmp_path / "head.safetensors",
        )


def test_a_file_that_is_no_head_is_refused(dataset):
    with pytest.raises(UserError, match="is not a head"):
        load_head(dataset / "test.safetensors")


def test_building_changes_no_gradient_state(pretrained):
    build_head(load_model(pretrained), load_tokenizer(pretrained), load_task("shapes"))
    assert torch.is_grad_enabled()
