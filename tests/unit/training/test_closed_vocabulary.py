"""Closed-vocabulary models through the scripts: timm's encoders and scikit-learn's probes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hub_server import Repository, serve
from safetensors.torch import load_file, save, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_copies import write_folder

from tangent.arithmetic.linearized import jvp_features, linearize, parameters_of
from tangent.data.split import load_split
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_csv, read_metadata, write_json, write_safetensors
from tangent.kernels.gram import classifier, ntk_gram
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.fetch.fetching import fetch
from tangent.models.heads.stored import load_head
from tangent.tasks.task_files import load_task

TOWERS = {
    "vit": (
        "vit_tiny_patch16_224",
        {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 2},
    ),
    "convnext": (
        "convnext_tiny",
        {"patch_size": 4, "depths": [1, 1, 1, 1], "dims": [8, 12, 16, 24]},
    ),
}
CLASSES = 10
MEAN, STD = (0.5, 0.4, 0.3), (0.3, 0.25, 0.2)
STRENGTHS = (1e-3, 1.0, 4)


def untrained(tower: str) -> torch.nn.Module:
    """The whole model as timm makes it; biases and scales are not those of an initialisation."""
    architecture, arguments = TOWERS[tower]
    model = timm.create_model(architecture, num_classes=CLASSES, **arguments).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module", params=TOWERS)
def made(request, tmp_path_factory, script) -> tuple[Path, torch.nn.Module]:
    """The folder that fetch_pretrained makes of a pre-trained classifier, and the classifier."""
    torch.manual_seed(0)
    model = untrained(request.param)
    folder = tmp_path_factory.mktemp("pretraining")
    architecture, arguments = TOWERS[request.param]
    described = {"architecture": architecture, "model_args": arguments, "num_classes": CLASSES}
    preprocessing = {"size": [32, 32], "mean": MEAN, "std": STD, "interpolation": "bicubic"}
    preprocessing |= {"resize_mode": "shortest", "fill_color": 0}
    config = {"model_cfg": described, "preprocess_cfg": preprocessing}
    write_json(folder / "timm_config.json", config)
    write_safetensors(folder / "model.safetensors", model.state_dict())
    recipe = {"objective": "supervised"}
    entry = {"source": "pretraining", "recipe": recipe, "step": 1, "folder": str(folder)}
    output = tmp_path_factory.mktemp("pretrained") / request.param
    script("fetch_pretrained", source=json.dumps(entry), output_dir=output)
    return output, model


def features_by_timm(model: torch.nn.Module, folder: Path, split: str) -> np.ndarray:
    """What timm's own forward pass gives its classifier; the images need no resizing."""
    stored = load_split(folder, split)
    pixels = torch.from_numpy(stored.read(np.arange(len(stored)))).permute(0, 3, 1, 2) / 255
    images = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        return model.forward_head(model.forward_features(images), pre_logits=True).numpy()


def fit_probe(script, made: Path, dataset: Path, head: Path, **changed: object) -> None:
    flags = {
        "pretrained_dir": made,
        "encoder": made / "encoder.safetensors",
        "datasets_dir": dataset.parent,
        "train_dir": dataset,
        "task": dataset.name,
        "strengths": list(STRENGTHS),
        "output": head,
        **changed,
    }
    script("fit_probe", **{name: value for name, value in flags.items() if value is not None})


def test_a_probe_is_scikit_learns_on_the_features_that_timm_gives(made, dataset, script, tmp_path):
    folder, model = made
    fit_probe(script, folder, dataset, tmp_path / "head.safetensors")
    head = load_head(tmp_path / "head.safetensors", "probe")
    metadata = read_metadata(tmp_path / "head.safetensors")
    splits = ("train", "validation")
    train, validation = (features_by_timm(model, dataset, split) for split in splits)
    labels = [load_split(dataset, split).labels for split in splits]

    accuracies, expected = {}, {}
    strengths = [float(strength) for strength in json.loads(metadata["validation_accuracies"])]
    np.testing.assert_allclose(strengths, [1e-3, 1e-2, 1e-1, 1])
    for strength in strengths:
        regression = LogisticRegression(C=strength, tol=1e-9, max_iter=9999)
        theirs = make_pipeline(StandardScaler(), regression).fit(train.astype(float), labels[0])
        accuracies[strength] = theirs.score(validation, labels[1])
        expected[strength] = theirs.predict_proba(validation)
    chosen = float(metadata["C"])
    found = torch.from_numpy(head.logits(validation)).softmax(dim=1)
    np.testing.assert_allclose(found.numpy(), expected[chosen], atol=2e-3)
    # Rounding can turn one of the 8 validation images.
    assert accuracies[chosen] >= max(accuracies.values()) - 0.13
    assert json.loads(metadata["classes"]) == list(load_task("shapes").classes)
    assert json.loads(metadata["provenance"])["inputs"]


def test_a_probe_of_a_share_of_the_images_and_one_deviation(made, dataset, script, tmp_path):
    folder, model = made
    settings = {"share": 0.75, "deviation": "common"}
    fit_probe(script, folder, dataset, tmp_path / "head.safetensors", **settings)
    head = load_head(tmp_path / "head.safetensors", "probe")
    metadata = read_metadata(tmp_path / "head.safetensors")

    train, validation = (features_by_timm(model, dataset, part) for part in ("train", "validation"))
    count = round(0.75 * len(train))
    chosen = np.random.RandomState(0).permutation(len(train))[:count]
    assert metadata["fitted_images"] == str(count) and 0 < count < len(train)
    features, labels = train[chosen].astype(float), load_split(dataset, "train").labels[chosen]
    mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0).mean())
    theirs = LogisticRegression(C=float(metadata["C"]), tol=1e-9, max_iter=9999)
    theirs.fit((features - mean) / deviation, labels)
    expected = theirs.predict_proba((validation - mean) / deviation)
    found = torch.from_numpy(head.logits(validation)).softmax(dim=1)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


def test_the_encoder_is_timms_model_without_its_classifier(made, script, dataset, tmp_path) -> None:
    folder, model = made
    encoder = load_encoder(folder)
    images = torch.randn(3, 3, 32, 32)
    assert preprocess_config(folder)["mean"] == MEAN
    # Its own classifier as the head gives the model's own scores; shapes has as many classes.
    fit_probe(script, folder, dataset, tmp_path / "head.safetensors", train_dir=None)
    head = load_head(tmp_path / "head.safetensors")
    with torch.no_grad():
        features, expected = encoder(images), model(images)
    np.testing.assert_allclose(head.logits(features.numpy()), expected.numpy(), atol=1e-5)
    torch.testing.assert_close(head.on("cpu").logits(features), expected)
    assert read_metadata(tmp_path / "head.safetensors")["made_by"] == "pre-training"


def test_a_classifier_of_other_classes_is_no_head_of_a_task(made, script, dataset, tmp_path):
    folder, _ = made
    with pytest.raises(UserError, match="knows 10 classes, but the task letters has 26"):
        fit_probe(script, folder, dataset, tmp_path / "head", task="letters", train_dir=None)


@pytest.mark.parametrize("tower", TOWERS)
def test_jacobian_products_are_derivatives(tower: str, seed: int) -> None:
    model = untrained(tower)
    model.reset_classifier(0)
    model = model.double()
    theta0, images = parameters_of(model), torch.randn(2, 3, 32, 32, dtype=torch.float64)
    tau = {name: torch.randn_like(value) for name, value in theta0.items()}

    def moved(step: float) -> torch.Tensor:
        weights = {name: theta0[name] + step * tau[name] for name in theta0}
        with torch.no_grad():
            return torch.func.functional_call(model, weights, (images,))

    value, product = jvp_features(model, theta0, tau, images)
    torch.testing.assert_close(value, moved(0.0))
    h = 1e-6
    torch.testing.assert_close(product, (moved(h) - moved(-h)) / (2 * h), rtol=1e-4, atol=1e-5)


def test_the_linearized_model_trains_in_bfloat16(seed: int) -> None:
    """Where two layer normalisations meet, torch differentiates the second in float32 on a CPU."""
    architecture, arguments = TOWERS["convnext"]
    model = timm.create_model(architecture, num_classes=0, **arguments | {"patch_size": 2}).eval()
    images = torch.randn(2, 3, 32, 32)
    linearized = linearize(model)
    with torch.autocast("cpu", torch.bfloat16):
        linearized(images).float().square().sum().backward()
    model(images).square().sum().backward()
    for found, plain in zip(linearized.parameters(), model.parameters(), strict=True):
        assert float((found.grad - plain.grad).norm()) <= 0.15 * float(plain.grad.norm()) + 1e-3


def test_a_class_without_a_training_image_is_named(script, made, tmp_path, real_files) -> None:
    # One image of each class: those that validation takes are missing from the training split.
    folder = real_files("dtd", 47)
    classes = load_task("dtd").classes
    missing = sorted(set(range(47)) - set(load_split(folder, "train").labels.tolist()))
    assert len(missing) == 4
    with pytest.raises(UserError) as caught:
        fit_probe(script, made[0], folder, tmp_path / "head.safetensors")
    message = str(caught.value)
    assert (
        f"task dtd: its training split has no image of the class {classes[missing[0]]!r}" in message
    )
    assert "3 more classes" in message and "datasets.dtd.train_images" in message
    assert not (tmp_path / "head.safetensors").exists()


def test_photographs_in_the_real_format_are_probed(script, made, tmp_path, real_files) -> None:
    dataset = real_files("dtd", 5 * 47)
    fit_probe(script, made[0], dataset, tmp_path / "head.safetensors")
    assert load_head(tmp_path / "head.safetensors", "probe").classes == 47


@pytest.fixture
def real_files(script, tmp_path):
    """A function that prepares a data set with so many training images, from image files."""

    def prepared(task: str, train_images: int) -> Path:
        write_folder(tmp_path / "data", task, train_images, 10)
        source = json.dumps({"source": "folder", "root": str(tmp_path / "data")})
        sizes = {"train_images": train_images, "test_images": 10}
        located, folder = tmp_path / "found.json", tmp_path / "datasets" / task
        script("locate_dataset", task=task, sources=source, output=located, **sizes)
        flags = {"order": "content", "validation_fraction": 0.1, "validation_maximum": 5000}
        flags |= {"located": located, "image_size": 32, "output_dir": folder}
        script("prepare_dataset", task=task, **flags, **sizes)
        return folder

    return prepared


def test_a_head_of_another_kind_is_refused(script, made, heads, finetuning, dataset, tmp_path):
    folder, _ = made
    zero_shot = heads / "shapes" / "head.safetensors"
    fit_probe(script, folder, dataset, tmp_path / "heads" / "shapes" / "head.safetensors")
    own = {"pretrained_dir": folder, "initial_encoder": folder / "encoder.safetensors"}
    expected = r"is a head of the kind zero_shot, but this model's heads are of the kind probe"
    with pytest.raises(UserError, match=expected):
        script("finetune", **finetuning | own)
    assert zero_shot.exists()
    flags = {"pretrained_dir": folder, "encoder": folder / "encoder.safetensors"}
    flags |= {"datasets_dir": dataset.parent, "task": "shapes", "control_tasks": "shapes"}
    with pytest.raises(UserError, match=expected):
        script("eigenfunctions", **flags, model="tiny", seed=0, heads_dir=heads, images=4,
               components=1, logits=1, output_dir=tmp_path / "kernel")  # fmt: skip
    features = tmp_path / "features"
    script("initial_features", pretrained_dir=folder, encoder=flags["encoder"],
           datasets_dir=dataset.parent, dataset="shapes", output_dir=features)  # fmt: skip
    evaluation = {"model": "tiny", "seed": 0, "initial_features": f"shapes={features}"}
    evaluation |= {"datasets_dir": dataset.parent, "head_kind": "probe"}
    with pytest.raises(UserError, match=expected):
        script("zero_shot", **evaluation, heads_dir=heads, output=tmp_path / "accuracy.json")
    with pytest.raises(UserError, match=expected):
        script("single_task", **evaluation, mode="linear", products=f"shapes={features}",
               task="shapes", heads_dir=heads, output=tmp_path / "accuracy.json")  # fmt: skip
    evaluation |= {"heads_dir": tmp_path / "heads", "output": tmp_path / "accuracy.json"}
    script("zero_shot", **evaluation)


@pytest.mark.parametrize("training", ["standard", "linear"])
def test_fine_tuning_moves_the_encoder_under_its_probe(
    script, made, dataset, finetuning, tmp_path, training
) -> None:
    folder, _ = made
    probe = tmp_path / "head.safetensors"
    fit_probe(script, folder, dataset, probe)
    own = {"pretrained_dir": folder, "initial_encoder": folder / "encoder.safetensors"}
    script("finetune", **finetuning | own | {"head": probe, "training": training})
    output = Path(str(finetuning["output_dir"]))
    losses = [float(row["loss"]) for row in read_csv(output / "log.csv")]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    before, after = (load_file(path / "encoder.safetensors") for path in (folder, output))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_kernels_are_those_of_the_probes_logits(script, made, dataset, tmp_path) -> None:
    folder, model = made
    probe = tmp_path / "heads" / "shapes" / "head.safetensors"
    fit_probe(script, folder, dataset, probe, train_dir=None)
    head = load_head(probe, "probe").on("cpu")
    encoder, images = load_encoder(folder), torch.randn(3, 3, 32, 32)
    f = classifier(encoder, head)
    found = ntk_gram(f, parameters_of(encoder), images, logits=[4])[0]
    of_encoder = dict(encoder.named_parameters())
    # The pre-trained classifier is the head, so timm's whole model has the same gradients.
    rows = []
    for image in images:
        model.zero_grad()
        model(image[None])[0, 4].backward()
        gradients = [value.grad for name, value in model.named_parameters() if name in of_encoder]
        rows.append(torch.cat([value.flatten() for value in gradients]))
    expected = torch.stack(rows) @ torch.stack(rows).T
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))


def test_a_damaged_probe_is_refused(script, made, dataset, tmp_path) -> None:
    path = tmp_path / "head.safetensors"
    fit_probe(script, made[0], dataset, path)
    tensors = load_file(path)
    save_file({"weight": tensors["weight"]}, path, metadata=read_metadata(path))
    with pytest.raises(UserError, match="is not a linear probe .*`bias`"):
        load_head(path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "test_vit.r161_in1k", "image_size": 160}, "Did you mean test_vit.r160_in1k"),
        (
            {"name": "test_vit.r160_in1k", "image_size": 224},
            r"it says 224.*\(160, 160\)",
        ),
    ],
)
def test_bad_entries_of_timm_are_answered(entry, message) -> None:
    with pytest.raises(UserError, match=message):
        fetch({"source": "timm", **entry})


def test_a_model_of_the_hub_is_fetched_and_checked(tmp_path) -> None:
    torch.manual_seed(1)
    name = "test_vit.r160_in1k"
    model = timm.create_model(name, pretrained=False).eval()
    repository = Repository("1" * 40, {"model.safetensors": save(model.state_dict())}, ["main"])
    entry = json.dumps({"source": "timm", "name": name, "image_size": 160})

    def run(environment: dict[str, str], output: Path) -> subprocess.CompletedProcess[str]:
        flags = ["--source", entry, "--output-dir", str(output)]
        return subprocess.run(
            [sys.executable, "-m", "scripts", "fetch_pretrained", *flags],
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )

    with serve({f"timm/{name}": repository}) as hub:
        fetched = run(hub.environment(tmp_path / "home"), tmp_path / "model")
    assert fetched.returncode == 0, fetched.stderr
    images = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        features = load_encoder(tmp_path / "model")(images)
        torch.testing.assert_close(model.get_classifier()(features), model(images))
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    refused = run(offline, tmp_path / "other")
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert f"{name} could not be fetched" in refused.stderr and "HF_HOME" in refused.stderr
