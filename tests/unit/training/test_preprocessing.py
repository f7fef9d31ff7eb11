"""Evaluation and training preprocessing against open_clip's own transforms, image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as torchvision
from open_clip import image_transform
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torchvision.transforms import InterpolationMode

from tangent.data import augmentation, preprocess
from tangent.data.augmentation import random_boxes, resized_crop
from tangent.data.preprocess import evaluation_images
from tangent.jobs.runtime import generator

SETTINGS = {
    "size": (32, 32),
    "mean": (0.48, 0.45, 0.4),
    "std": (0.27, 0.26, 0.28),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def pictures(n: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "change"),
    [
        (32, 32, {}),
        (48, 40, {}),
        (20, 32, {}),
        (40, 64, {"resize_mode": "squash", "interpolation": "bilinear"}),
        (40, 64, {"resize_mode": "longest", "fill_color": 7}),
    ],
)
def test_evaluation_equals_open_clips_transform(height, width, change):
    settings = {**SETTINGS, **change}
    images = pictures(5, height, width)
    transform = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    expected = torch.stack([transform(Image.fromarray(image)) for image in images])
    for given in (images, torch.from_numpy(images)):
        ours = evaluation_images(given, settings)
        assert ours.is_contiguous()
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


def channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def pillow_crops(images, boxes, size):
    crops = []
    for index, image in enumerate(images):
        box = boxes[index].tolist()
        crop = torchvision.resized_crop(
            Image.fromarray(image), *box, size, InterpolationMode.BICUBIC
        )
        crops.append(np.array(crop))
    return channels_first(np.stack(crops)).float()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 28)])
def test_enlarged_crops_equal_pillows(height, width, monkeypatch):
    monkeypatch.setattr(augmentation, "SCALE", (0.5, 1.0))
    images = pictures(64, height, width)
    boxes = random_boxes(np.tile([height, width], (64, 1)), generator(0))
    ours = resized_crop(channels_first(images), boxes, (32, 32))
    difference = (ours - pillow_crops(images, boxes, (32, 32))).abs()
    assert difference.max() <= 2  # of 255; Pillow rounds its coefficients to 22 bits
    assert (difference > 0).float().mean() < 1e-3


def test_shrunken_crops_of_smooth_images_equal_pillows():
    coarse = pictures(16, 8, 8)
    smooth = np.stack([np.array(Image.fromarray(image).resize((60, 50))) for image in coarse])
    boxes = random_boxes(np.tile([50, 60], (16, 1)), generator(0))
    ours = resized_crop(channels_first(smooth), boxes, (32, 32))
    # Pillow 13 may take rows first, which rounds otherwise in between.
    assert (ours - pillow_crops(smooth, boxes, (32, 32))).abs().max() <= 2


def test_the_training_transform_is_open_clips():
    """Its steps and parameters are read off the transform that open_clip builds."""
    crop, to_rgb, to_tensor, normalize = image_transform(
        32, is_train=True, mean=SETTINGS["mean"], std=SETTINGS["std"]
    ).transforms
    assert crop.interpolation == InterpolationMode.BICUBIC
    images = pictures(8, 32, 32)
    boxes = random_boxes(np.full((8, 2), 32), generator(0))
    crops = resized_crop(channels_first(images), boxes, SETTINGS["size"])
    ours = preprocess.normalize(crops, SETTINGS)
    for index, image in enumerate(images):
        box = boxes[index].tolist()
        picture = torchvision.resized_crop(
            Image.fromarray(image), *box, crop.size, crop.interpolation
        )
        expected = normalize(to_tensor(to_rgb(picture)))
        assert (ours[index] - expected).abs().max() <= 1 / 255 / min(SETTINGS["std"]) + 1e-6


def test_batches_stay_on_their_device_whatever_that_of_the_boxes():
    boxes = random_boxes(np.full((4, 2), 32), generator(0))
    images = torch.empty(4, 3, 32, 32, dtype=torch.uint8, device="meta")
    crops = resized_crop(images, boxes, SETTINGS["size"])
    assert preprocess.normalize(crops, SETTINGS).device.type == "meta"
