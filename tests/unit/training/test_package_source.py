"""Weights that a Python package carries: a package made here, and the real EfficientNet-Lite0."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image
from skimage import data
from workspace import ROOT

from tangent.arithmetic.linearized import jvp_features, linearize, parameters_of
from tangent.data.preprocess import evaluation_images
from tangent.jobs.errors import UserError
from tangent.jobs.files import sha256_file
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.fetch.fetching import fetch

PACKAGE, FILE, ARCHITECTURE = "made-weights", "made_weights/net.pth", "test_efficientnet"
STUDY = yaml.safe_load((ROOT / "configs" / "real-efficientnet.yaml").read_text(encoding="utf-8"))
REAL = STUDY["pretrained"]["efficientnet-lite0"]


def has_real_weights() -> bool:
    try:
        metadata.distribution(REAL["package"])
    except metadata.PackageNotFoundError:
        return False
    return True


real_weights = pytest.mark.skipif(
    not has_real_weights(), reason="envs/real.lock is not installed: run `make real-environment`"
)


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """The weights file of an installed package, which a test writes."""
    site = tmp_path / "site"
    (site / "made_weights").mkdir(parents=True)
    (site / "made_weights" / "__init__.py").write_text("raise SystemExit('imported')")
    information = site / "made_weights-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: made-weights\nVersion: 1.0")
    monkeypatch.syspath_prepend(site)
    return site / FILE


def entry(path: Path, **changes: object) -> dict[str, object]:
    return {
        "source": "package",
        "package": PACKAGE,
        "file": FILE,
        "sha256": sha256_file(path) if path.exists() else "0" * 64,
        "architecture": ARCHITECTURE,
        "image_size": 64,
        "memory_format": "contiguous",
    } | changes


def untrained() -> torch.nn.Module:
    """A small classifier with batch normalisation whose running statistics are not the initial."""
    model = timm.create_model(ARCHITECTURE, pretrained=False).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.add_(0.1 * torch.randn_like(value))
    return model


def under_other_names(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state dict as another implementation of the network would save it."""
    return {f"_part{i}": value for i, value in enumerate(model.state_dict().values())}


@pytest.mark.parametrize("size", [64, 96])
def test_tensors_of_a_package_are_taken_in_their_order(package, tmp_path, size) -> None:
    torch.manual_seed(size)
    model = untrained()
    torch.save(under_other_names(model), package)
    fetched = fetch(entry(package, image_size=size))
    state = model.state_dict()
    assert list(fetched.weights) == list(state) and fetched.files == [package]
    assert all(torch.equal(fetched.weights[name], value) for name, value in state.items())

    fetched.write(tmp_path / "model", {})
    pixels = np.random.default_rng(size).integers(0, 256, (2, size, size, 3), np.uint8)
    images = evaluation_images(pixels, preprocess_config(tmp_path / "model"))
    settings = timm.get_pretrained_cfg(ARCHITECTURE)
    mean, std = (np.array(part) for part in (settings.mean, settings.std))
    by_hand = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(images, by_hand, atol=1e-6)
    with torch.no_grad():
        features = load_encoder(tmp_path / "model")(images)
        torch.testing.assert_close(model.get_classifier()(features), model(images))


def test_weights_may_lie_channels_last_in_plain_and_in_linearized_models(package, tmp_path) -> None:
    torch.manual_seed(1)
    torch.save(under_other_names(untrained()), package)
    encoders, images = {}, torch.randn(2, 3, 64, 64)
    for memory_format in ("contiguous", "channels_last"):
        folder = tmp_path / memory_format
        fetch(entry(package, memory_format=memory_format)).write(folder, {})
        encoders[memory_format] = load_encoder(folder)
    weights = {name: dict(one.named_parameters()) for name, one in encoders.items()}
    dense = [name for name, value in weights["contiguous"].items() if value.dim() == 4]
    dense = [name for name in dense if min(weights["contiguous"][name].shape[1:]) > 1]
    assert dense and all(not weights["channels_last"][name].is_contiguous() for name in dense)
    taus = [
        {
            name: torch.sin(torch.arange(value.numel())).view(value.shape)
            for name, value in of.items()
        }
        for of in weights.values()
    ]
    values, products = zip(
        *(
            jvp_features(one, parameters_of(one), tau, images)
            for one, tau in zip(encoders.values(), taus, strict=True)
        ),
        strict=True,
    )
    torch.testing.assert_close(*values, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(*products, rtol=1e-3, atol=1e-3 * float(products[0].abs().max()))
    linear = linearize(encoders["channels_last"])
    trained = dict(linear.model.named_parameters())
    assert all(not trained[name].is_contiguous() for name in dense)


def test_a_package_that_is_not_installed_is_answered_with_the_remedy(tmp_path) -> None:
    with pytest.raises(UserError) as caught:
        fetch(entry(tmp_path / "none", package="no-such-weights"))
    message = str(caught.value)
    assert "no-such-weights" in message and "make real-environment" in message
    assert "\n" not in message


def test_another_file_than_the_configurations_is_refused(package) -> None:
    torch.save(under_other_names(untrained()), package)
    with pytest.raises(UserError, match=f"{package}: SHA-256 is .* expects {'0' * 64}"):
        fetch(entry(package, sha256="0" * 64))
    with pytest.raises(UserError, match="made-weights has no file made_weights/other.pth"):
        fetch(entry(package, file="made_weights/other.pth"))


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_file_with_code_is_refused_and_not_run(package, tmp_path) -> None:
    marker = tmp_path / "ran"
    torch.save({"weight": torch.zeros(1), "trap": Touch(marker)}, package)
    with pytest.raises(UserError, match="pickled objects .*mkdir.* loading them runs code"):
        fetch(entry(package))
    assert not marker.exists()


def test_weights_of_another_architecture_are_refused(package) -> None:
    torch.save(under_other_names(untrained()), package)
    with pytest.raises(UserError, match="key architecture"):
        fetch(entry(package, architecture="test_resnet"))
    with pytest.raises(UserError, match="Did you mean test_efficientnet"):
        fetch(entry(package, architecture="test_eficientnet"))
    tensors = under_other_names(untrained())
    tensors["_part0"] = tensors["_part0"].flatten()
    torch.save(tensors, package)
    with pytest.raises(UserError, match="_part0 has shape .* conv_stem.weight"):
        fetch(entry(package))


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory) -> Path:
    """The folder of the real model, for images of 224 pixels as in its pre-training."""
    folder = tmp_path_factory.mktemp("real") / "model"
    fetch({**REAL, "image_size": 224}).write(folder, {})
    return folder


@real_weights
def test_the_real_tensors_fit_one_to_one(efficientnet) -> None:
    path = Path(metadata.distribution(REAL["package"]).locate_file(REAL["file"]))
    found = list(torch.load(path, weights_only=True).values())
    expected = timm.create_model(REAL["architecture"], pretrained=False).state_dict()
    assert len(found) == len(expected) == 296
    fetched = fetch(REAL).weights
    assert list(fetched) == list(expected)
    assert all(torch.equal(*pair) for pair in zip(fetched.values(), found, strict=True))


@real_weights
@pytest.mark.parametrize(
    ("picture", "name", "index", "least"),
    [
        ("chelsea", "Egyptian cat", 285, 0.3),
        ("coffee", "espresso", 967, 0.9),
        ("camera", "tripod", 872, 0.9),
    ],
)
def test_the_real_network_names_pictures(efficientnet, picture, name, index, least) -> None:
    """The wrong order of tensors, pixels or classes would name none of the three."""
    image = Image.fromarray(getattr(data, picture)()).convert("RGB")
    preprocess = preprocess_config(efficientnet)
    assert (preprocess["mean"], preprocess["std"]) == ((0.5,) * 3, (0.5,) * 3)  # to [-1, 1]
    images = evaluation_images(np.array(image)[None], preprocess)
    assert images.shape[2:] == (224, 224)
    model = timm.create_model(REAL["architecture"], pretrained=False).eval()
    model.load_state_dict(fetch(REAL).weights)
    with torch.no_grad():
        features = load_encoder(efficientnet)(images)
        shares = model.get_classifier()(features).softmax(dim=1)[0]
    assert shares.argmax() == index and shares[index] > least, (name, shares.topk(3))


@real_weights
def test_the_real_network_has_a_jacobian_product(efficientnet) -> None:
    """v·(Jτ) of the forward mode is (Jᵀv)·τ of the reverse mode, at the study's size of images."""
    encoder = load_encoder(efficientnet).double()
    torch.manual_seed(0)
    theta0 = parameters_of(encoder)
    tau = {name: 1e-3 * torch.randn_like(value) for name, value in theta0.items()}
    images = 2 * torch.rand(2, 3, REAL["image_size"], REAL["image_size"], dtype=torch.float64) - 1
    value, product = jvp_features(encoder, theta0, tau, images)
    features = encoder(images)
    torch.testing.assert_close(value, features.detach())
    v = torch.randn_like(product)
    gradients = torch.autograd.grad((features * v).sum(), list(encoder.parameters()))
    pairs = zip(gradients, tau.values(), strict=True)
    expected = sum((gradient * direction).sum() for gradient, direction in pairs)
    torch.testing.assert_close((product * v).sum(), expected, rtol=1e-9, atol=0)
