"""Training crops from the cache: torchvision's law, nothing lost, the same pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as torchvision
from hypothesis import given
from hypothesis import strategies as st
from open_clip import AugmentationCfg, image_transform
from PIL import Image
from scipy.stats import ks_2samp
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from toy_data import Pictures, encoded, noise, pictures

from tangent.data.augmentation import in_stored_pixels, random_boxes, resized_crop
from tangent.data.regions import RATIO, SCALE, longest_side, reachable, reduced, stored_sizes
from tangent.data.split import load_split
from tangent.training.training_images import TrainingImages

# Chance of a false alarm of the statistical test, over all its comparisons.
SIGNIFICANCE = 1e-6
# Heights and widths: squares, both sides of the ratios where crops stop to fit, slivers.
SHAPES = [
    *((32, 32), (224, 224), (375, 500), (500, 375), (100, 140), (140, 100), (300, 444), (444, 300)),
    *((300, 447), (60, 20), (20, 60), (1, 40), (40, 1), (1, 1), (3, 4), (2000, 1500)),
]


def torchvisions_boxes(shape: tuple[int, int], n: int) -> np.ndarray:
    """Top, left, height and width [n, 4], drawn by torchvision."""
    picture = torch.empty(3, *shape, device="meta")
    parameters = [RandomResizedCrop.get_params(picture, list(SCALE), list(RATIO)) for _ in range(n)]
    return np.array(parameters)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_scale_and_ratio_are_those_of_open_clips_transform():
    crop = image_transform(32, is_train=True).transforms[0]
    assert isinstance(crop, RandomResizedCrop)
    assert tuple(crop.scale) == AugmentationCfg().scale == SCALE
    assert tuple(crop.ratio) == RATIO


@pytest.mark.parametrize("shape", SHAPES)
def test_boxes_have_torchvisions_distribution(seed, shape):
    n = 400
    theirs = torchvisions_boxes(shape, n)
    ours = random_boxes(np.tile(shape, (4 * n, 1)), generator(seed)).numpy()
    for side in range(4):
        p = ks_2samp(theirs[:, side], ours[:, side]).pvalue
        assert p > SIGNIFICANCE / (4 * len(SHAPES)), (side, p)
    region = reachable(np.array([shape]))[0]
    if region[2:].tolist() != list(shape):  # it is always the central crop
        assert (theirs == region).all() and (ours == region).all()


def test_images_of_many_sizes_are_drawn_as_each_alone(seed):
    originals = np.array(SHAPES * 300)
    mixed = random_boxes(originals, generator(seed)).numpy()
    for number, shape in enumerate(SHAPES):
        alone = random_boxes(np.tile(shape, (600, 1)), generator(seed + 1)).numpy()
        for side in range(4):
            p = ks_2samp(mixed[number :: len(SHAPES), side], alone[:, side]).pvalue
            assert p > SIGNIFICANCE / (4 * len(SHAPES))


def test_boxes_of_equal_sizes_are_the_old_formulas(seed):
    """Trainings on images of one size keep their bits."""
    rows, columns = np.random.default_rng(seed).integers(20, 40, 2).tolist()
    uniform = torch.rand(4, 50, 10, dtype=torch.float64, generator=generator(seed))
    area = rows * columns * (0.9 + (1.0 - 0.9) * uniform[0])
    low, high = math.log(3 / 4), math.log(4 / 3)
    aspect = (low + (high - low) * uniform[1]).exp()
    width, height = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    boxes = random_boxes(np.tile([rows, columns], (50, 1)), generator(seed)).numpy()
    for image, box in enumerate(boxes.tolist()):
        fits = (width[image] <= columns) & (height[image] <= rows)
        if fits.any():
            first = int(fits.nonzero()[0])
            h, w = int(height[image, first]), int(width[image, first])
            top = int(uniform[2, image, first] * (rows - h + 1))
            assert box == [top, int(uniform[3, image, first] * (columns - w + 1)), h, w]


sides = st.one_of(st.integers(1, 60), st.integers(1, 4000))


@given(height=sides, width=sides, seed=st.integers(0, 2**32))
def test_the_region_holds_every_crop(height, width, seed):
    torch.manual_seed(seed)
    many = random_boxes(np.tile([height, width], (300, 1)), generator(seed))
    boxes = np.concatenate([torchvisions_boxes((height, width), 3), many.numpy()])
    top, left, region_height, region_width = reachable(np.array([[height, width]]))[0]
    assert (boxes[:, 0] >= top).all() and (boxes[:, 1] >= left).all()
    assert (boxes[:, 0] + boxes[:, 2] <= top + region_height).all()
    assert (boxes[:, 1] + boxes[:, 3] <= left + region_width).all()


@given(height=sides, width=sides)
def test_where_less_than_all_is_kept_no_crop_fits(height, width):
    """Over a grid of area shares and ratios, their extremes included."""
    region = reachable(np.array([[height, width]]))[0]
    share = np.linspace(*SCALE, 11)[:, None] * height * width
    ratio = np.exp(np.linspace(*np.log(RATIO), 41))
    fits = (np.rint(np.sqrt(share * ratio)) <= width) & (np.rint(np.sqrt(share / ratio)) <= height)
    if fits.any():
        assert region.tolist() == [0, 0, height, width]


@given(height=sides, width=sides, size=st.integers(128, 400), seed=st.integers(0, 2**32))
def test_no_crop_is_enlarged_because_the_region_was_reduced(height, width, size, seed):
    originals = np.tile([height, width], (50, 1))
    sizes, region = stored_sizes(originals, size), reachable(originals)
    boxes = random_boxes(originals, generator(seed))
    stored = in_stored_pixels(boxes, originals, sizes).numpy()
    assert sizes.max() <= longest_side(size)
    for side in (0, 1):
        if sizes[0, side] < region[0, 2 + side]:
            assert (stored[:, 2 + side] >= size).all()
        else:
            assert (stored[:, 2 + side] == boxes.numpy()[:, 2 + side]).all()
    assert stored[:, :2].min() >= 0
    assert (stored[:, :2] + stored[:, 2:] <= sizes[0] + 1e-9).all()


def channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def pillows_crop(picture: Image.Image, box: np.ndarray, size: int) -> torch.Tensor:
    crop = torchvision.resized_crop(
        picture, *map(int, box), [size, size], InterpolationMode.BICUBIC
    )
    return channels_first(np.array(crop)[None])[0].float()


def test_crops_of_small_images_are_the_originals(seed, rng, prepared):
    """Images of many sizes, none longer than what is kept: the same bits as from the originals."""
    size = 32
    shapes = [tuple(pair) for pair in rng.integers(5, longest_side(size) + 1, (40, 2)).tolist()]
    # Of these only the middle is kept, at its own size.
    shapes += [(20, 90), (90, 20), (9, 36), (27, 61)] * 5
    train = pictures(rng, shapes)
    no_test = Pictures([encoded(noise(rng, 4, 4))], np.zeros(1, np.int64))
    no_validation = Pictures([encoded(noise(rng, 4, 4))], np.zeros(1, np.int64))
    folder, _ = prepared(train, no_test, no_validation, image_size=size, order="source")
    preprocess = {"size": (size, size), "mean": (0, 0, 0), "std": (1, 1, 1)}
    images = TrainingImages(load_split(folder, "train"), preprocess)
    originals = random_boxes(np.array(shapes), generator(seed))
    boxes = images.draw(generator(seed), torch.arange(len(shapes)))
    rows = torch.randperm(len(shapes))[:30]
    crops = images.batch(rows, boxes[rows], torch.device("cpu"))
    for crop, row in zip(crops, rows.tolist(), strict=True):
        picture = channels_first(np.array(train.open(row))[None])
        ours = resized_crop(picture, originals[row : row + 1], (size, size))[0]
        assert torch.equal(crop, ours / 255)
        if max(shapes[row]) <= size:  # enlarged: Pillow 13 rounds in the same order
            theirs = pillows_crop(train.open(row), originals.numpy()[row], size)
            assert (ours - theirs).abs().max() <= 2


def test_crops_of_photographs_differ_by_less_than_two_levels(seed):
    """Regions of 224-pixel models are shortened to 256: what that does to the crops."""
    import skimage.data
    from sklearn.datasets import load_sample_images

    photographs = [*load_sample_images().images, skimage.data.astronaut(), skimage.data.coffee()]
    photographs += [photographs[0][:300], photographs[2][:, :200]]
    for pixels in photographs:
        picture, originals = Image.fromarray(pixels), np.array([pixels.shape[:2]] * 2)
        sizes, regions = stored_sizes(originals, 224), reachable(originals)
        boxes = random_boxes(originals, generator(seed))
        stored = channels_first(np.stack([reduced(picture, regions[0], sizes[0])] * 2))
        ours = resized_crop(stored, in_stored_pixels(boxes, originals, sizes), (224, 224))
        theirs = torch.stack([pillows_crop(picture, box, 224) for box in boxes.numpy()])
        assert (ours - theirs).abs().mean() < 2  # of 255
