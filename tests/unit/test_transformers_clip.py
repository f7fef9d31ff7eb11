"""Random CLIP models through the export, loaded by open_clip and by transformers."""

from __future__ import annotations

import copy
import json

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPModel, CLIPProcessor

from tangent.arithmetic.task_vector import TaskVector
from tangent.jobs.files import write_json
from tangent.models.export import transformers_clip
from tangent.models.export.exporters import EXPORTERS
from tangent.models.export.model_card import Card

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
VISION = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
PREPROCESSING = {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.25, 0.2], "interpolation": "bicubic"}
PREPROCESSING |= {"resize_mode": "shortest"}
TEXTS = ["a photo of a cat.", "It's  5 big Ünïcode DOGS!, hello-world", "a" + " dog" * 30]
CONFIGS = {
    "gelu": {"embed_dim": 24},
    "quick gelu, narrow layers": {
        "embed_dim": 20,
        "quick_gelu": True,
        "vision_cfg": {**VISION, "mlp_ratio": 2.5, "head_width": 8, "patch_size": 16},
        "text_cfg": {**TEXT, "mlp_ratio": 3.0, "heads": 4},
    },
    "defaults that are said": {
        "embed_dim": 24,
        "vision_cfg": {**VISION, "pool_type": "tok", "ls_init_value": None},
        "text_cfg": {**TEXT, "pool_type": "argmax", "proj_bias": False},
    },
}


def exported(folder, model_config, preprocessing=PREPROCESSING):
    """A model with random weights and a random edit, exported at α = 0.5: where to, and why not."""
    config = {"vision_cfg": VISION, "text_cfg": TEXT, **model_config}
    torch.manual_seed(0)
    model = open_clip.CLIP(**copy.deepcopy(config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # zeros and ones would hide mistakes
            parameter.add_(0.1 * torch.randn_like(parameter))
    write_json(
        folder / "in" / "open_clip_config.json",
        {"model_cfg": config, "preprocess_cfg": preprocessing},
    )
    save_file(model.state_dict(), folder / "in" / "open_clip_model.safetensors")
    tau = TaskVector({n: 0.1 * torch.randn_like(p) for n, p in model.visual.named_parameters()})
    left_out = EXPORTERS["clip"].write(folder / "in", folder / "out", tau, 0.5)
    tau.add_to_(model.visual, 0.5)
    return folder / "out", left_out, model


@pytest.mark.parametrize("name", CONFIGS)
def test_both_libraries_compute_the_same(name, tmp_path):
    folder, left_out, model = exported(tmp_path, CONFIGS[name])
    assert left_out is None
    ours, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    ours.eval()
    theirs, info = CLIPModel.from_pretrained(folder / "transformers", output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    theirs.eval()
    images = torch.randn(3, 3, 32, 32)
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    processor = CLIPProcessor.from_pretrained(folder / "transformers")
    read = processor(text=TEXTS, padding="max_length", truncation=True, return_tensors="pt")
    with torch.no_grad():
        for of in (model.encode_image, ours.encode_image):
            features = theirs.get_image_features(pixel_values=images).pooler_output
            torch.testing.assert_close(of(images), features, rtol=1e-5, atol=1e-5)
        features = theirs.get_text_features(**read).pooler_output
        torch.testing.assert_close(model.encode_text(tokens), features, rtol=1e-5, atol=1e-5)
        similar = theirs(pixel_values=images, **read).logits_per_image
        torch.testing.assert_close(model.get_logits(images, tokens)[0], similar, rtol=1e-4, atol=0)
    pixels = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    found = processor(images=image, return_tensors="pt")["pixel_values"][0]
    # Two libraries' bicubic interpolation rounds to different levels of brightness at times.
    assert (found - preprocess(image)).abs().max() < 1.01 / 255 / 0.2


@pytest.mark.parametrize(
    ("changes", "odd"),
    [
        ({"vision_cfg": {**VISION, "layers": [1, 1, 1, 1]}}, "vision_cfg.layers"),
        ({"vision_cfg": {**VISION, "no_ln_pre": True}}, "vision_cfg.no_ln_pre"),
        ({"text_cfg": {**TEXT, "pool_type": "last"}}, "text_cfg.pool_type"),
        ({"init_logit_bias": 1.0}, "init_logit_bias"),
    ],
)
def test_what_has_no_counterpart_is_left_out_and_said(changes, odd, tmp_path):
    folder, left_out, model = exported(tmp_path, {"embed_dim": 24} | changes)
    assert left_out == f"its CLIPModel has no counterpart of {odd}"
    assert not (folder / "transformers").exists()
    images = torch.randn(2, 3, 32, 32)
    loaded = open_clip.create_model(f"local-dir:{folder}").eval()
    with torch.no_grad():
        torch.testing.assert_close(loaded.encode_image(images), model.encode_image(images))


@pytest.mark.parametrize(
    ("name", "fits"),
    [("ViT-B-32-quickgelu", True), ("ViT-L-14", True), ("ViT-bigG-14", True), ("RN50", False)]
    + [(name, False) for name in ("convnext_base", "ViT-B-16-SigLIP", "coca_ViT-B-32")]
    + [(name, False) for name in ("EVA02-B-16", "roberta-ViT-B-32")],
)
def test_open_clips_architectures(name, fits):
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": PREPROCESSING}
    assert (transformers_clip.without_counterpart(config) is None) == fits


def test_the_base_model_is_the_one_on_the_hub(tmp_path):
    entry = {"source": "open_clip", "name": "ViT-B-32-quickgelu", "tag": "openai"}
    about = {"provenance": json.dumps({"settings": {"source": json.dumps(entry)}})}
    folder = tmp_path / "model"
    write_json(folder / "open_clip_config.json", {"model_cfg": {}})
    save_file({"x": torch.zeros(1)}, folder / "open_clip_model.safetensors", about)
    base = EXPORTERS["clip"].base(folder)
    assert base == entry | {"hub": "timm/vit_base_patch32_clip_224.openai"}
    place = {"model": "ViT-B-32", "mode": "standard", "seed": 0, "tasks": ["mnist"], "hashes": {}}
    place |= {"coefficient": 0.5, "how": "by hand", "is_linearized": False, "license": "mit"}
    place |= {"accuracies": {}, "heads": ["mnist"], "left_out": None}
    Card(**place, base=base).write(folder)
    card = ModelCard.load(folder / "README.md")
    assert card.data.base_model == base["hub"]
    assert "ViT-B-32-quickgelu (openai) of open_clip" in card.text
    assert "open_clip.create_model('ViT-B-32-quickgelu', pretrained=FOLDER + " in card.text


def test_another_preprocessing_is_left_out(tmp_path):
    squashed = PREPROCESSING | {"resize_mode": "squash"}
    _, left_out, _ = exported(tmp_path, {"embed_dim": 24}, squashed)
    assert left_out.endswith("preprocess_cfg.resize_mode")
