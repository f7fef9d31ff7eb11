"""What evaluation sees of the cache: the pixels of open_clip's transform of the original files.

Files are converted to RGB when loaded, as by torchvision's loaders and so by the authors' code;
open_clip alone converts after resizing. The order matters for transparent and palette files only.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from toy_data import Pictures, encoded, noise

from tangent.data.split import load_split
from tangent.evaluation.features import Images

PREPROCESS = {"mean": (0.48, 0.45, 0.4), "std": (0.27, 0.26, 0.28), "interpolation": "bicubic"}
PREPROCESS |= {"resize_mode": "shortest", "fill_color": 0}


def with_alpha(picture: Image.Image, rng: np.random.Generator, mode: str) -> Image.Image:
    picture = picture.convert(mode)
    alpha = rng.integers(0, 256, (picture.height, picture.width), dtype=np.uint8)
    picture.putalpha(Image.fromarray(alpha))
    return picture


def sixteen_bit(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


# Every mode that a file of these data sets may have: its file type, and how to make one.
MODES = {
    "RGB": ("jpeg", lambda picture, rng: picture),
    "L": ("jpeg", lambda picture, rng: picture.convert("L")),
    "CMYK": ("jpeg", lambda picture, rng: picture.convert("CMYK")),
    "P": ("png", lambda picture, rng: picture.quantize(64)),
    "1": ("png", lambda picture, rng: picture.convert("1")),
    "RGBA": ("png", lambda picture, rng: with_alpha(picture, rng, "RGBA")),
    "LA": ("png", lambda picture, rng: with_alpha(picture, rng, "LA")),
    "I;16": ("png", lambda picture, rng: sixteen_bit(picture)),
}


def random_files(rng: np.random.Generator, n: int, mode: str) -> list[Pictures]:
    """Two sets of n files of random sizes and aspects, from slivers to several times the model's.

    No two look alike once they are RGB, where 16 bits are clipped to nearly white: preparation
    refuses equal images in two splits.
    """
    suffix, made = MODES[mode]
    files: dict[bytes, bytes] = {}
    while len(files) < 2 * n:
        height, width = np.exp(rng.uniform(np.log(3), np.log(150), 2)).astype(int)
        file = encoded(made(noise(rng, height, width), rng), suffix)
        picture = Pictures([file], np.zeros(1, np.int64)).open(0)
        assert picture.mode == mode
        files[bytes([height, width]) + picture.convert("RGB").tobytes()] = file
    made_files, labels = list(files.values()), np.arange(n) % 3
    return [Pictures(made_files[:n], labels), Pictures(made_files[n:], labels)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [16, 33])
def test_evaluation_pixels_are_open_clips(rng, prepared, mode, size):
    train, test = random_files(rng, 12, mode)
    folder, _ = prepared(train, test, image_size=size, order="source", fraction=0.5)
    settings = PREPROCESS | {"size": (size, size)}
    transform = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    expected = torch.stack([transform(test.open(row).convert("RGB")) for row in range(len(test))])
    if mode in ("RGB", "L"):
        untouched = torch.stack([transform(test.open(row)) for row in range(len(test))])
        assert torch.equal(untouched, expected)
    images = Images(load_split(folder, "test"), settings)
    assert torch.equal(images.whole(), expected)
    assert torch.equal(torch.cat(list(images.batches(5))), expected)

    split = load_split(folder, "validation")
    rows = np.array([3, 0])
    stored = Images(split, settings, rows=rows).whole()
    digests = {load_digest(train, row): row for row in range(len(train))}
    originals = [train.open(digests[split.hashes[row].tobytes()]) for row in rows]
    assert torch.equal(
        stored, torch.stack([transform(picture.convert("RGB")) for picture in originals])
    )


def load_digest(rows: Pictures, row: int) -> bytes:
    from tangent.data.examined import digests

    return digests(np.asarray(rows.open(row).convert("RGB")), rows.labels[row])[1]


def test_training_images_of_the_models_size_are_seen_unchanged(rng, prepared):
    """The kernel's sample are training images under the evaluation preprocessing."""
    train = Pictures([encoded(noise(rng, 16, 16)) for _ in range(9)], np.arange(9) % 3)
    folder, _ = prepared(train, random_files(rng, 3, "RGB")[0], order="source")
    settings = PREPROCESS | {"size": (16, 16)}
    split = load_split(folder, "train")
    transform = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    expected = [transform(Image.fromarray(image)) for image in split.read(np.arange(len(split)))]
    assert torch.equal(Images(split, settings).whole(), torch.stack(expected))


def test_training_images_of_other_sizes_are_seen_nearly_so(prepared):
    """From the stored region, whose sides were shortened: a few of 255 levels on photographs."""
    from sklearn.datasets import load_sample_images

    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    photographs += [photographs[0].crop((0, 0, 300, 427)), photographs[1].resize((100, 120))]
    train = Pictures([encoded(picture) for picture in photographs], np.arange(4) % 3)
    validation, test = (
        Pictures([encoded(Image.new("RGB", (9, 9), colour))], np.zeros(1, np.int64))
        for colour in ("red", "blue")
    )
    folder, _ = prepared(train, test, validation, image_size=112, order="source")
    settings = PREPROCESS | {"size": (112, 112)}
    transform = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    expected = torch.stack([transform(picture) for picture in photographs])
    stored = Images(load_split(folder, "train"), settings).whole()
    std = torch.tensor(PREPROCESS["std"]).view(3, 1, 1)
    errors = (255 * std * (stored - expected)).abs().mean((1, 2, 3))
    assert errors[3] < 0.1  # smaller than what is kept: only Pillow's rounding differs
    assert errors.max() < 5
