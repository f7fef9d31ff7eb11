"""Exported models: loaded by open_clip and transformers as their cards say, against the study."""

from __future__ import annotations

import re
import subprocess
import sys

import open_clip
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from torch.func import functional_call
from transformers import CLIPModel
from workspace import ROOT

import tangent
from tangent.evaluation.outcomes import encode
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, sha256_file, write_json

TASKS, CONTROL = ("red", "green", "blue"), "grey"
ALPHA = 0.6


@pytest.fixture(scope="module")
def inputs(study, tmp_path_factory):
    """What an export reads beside the study's files: the α of validation, and test results there.

    Accuracies are by brute force, of the study's conftest.
    """
    folder = tmp_path_factory.mktemp("inputs")
    vector = load_file(study.vector_file("red"))
    save_file(vector, folder / "red.safetensors", {"task": "red", "training": "standard"})
    for mode in ("standard", "linear"):
        about = {"model": "tiny", "mode": mode, "seed": 0, "alpha": ALPHA}
        choice = about | {"split": "validation"}
        write_json(
            folder / mode / "sum" / "alpha.json",
            choice | {"operation": "addition", "vector": "sum"},
        )
        tasks = {t: {"accuracy": accuracy(study, mode, {"sum": ALPHA}, t)} for t in TASKS}
        write_json(
            folder / mode / "sum" / "result.json", about | {"merging": "sum", "tasks": tasks}
        )
        write_json(
            folder / mode / "red" / "alpha.json",
            choice | {"operation": "negation", "vector": "red"},
        )
        measured = {
            "target": accuracy(study, mode, {"red": -ALPHA}, "red"),
            "control": accuracy(study, mode, {"red": -ALPHA}, CONTROL),
            "target_pretrained": accuracy(study, mode, {}, "red"),
            "control_pretrained": accuracy(study, mode, {}, CONTROL),
        }
        write_json(
            folder / mode / "red" / "result.json",
            about | {"task": "red", "control_task": CONTROL} | measured,
        )
    return folder


def accuracy(study, mode, coefficients, task):
    return study.oracle_accuracy(mode, coefficients, task, "test")


def flags_of(study, inputs, mode, vector, *others):
    file = study.vector_file("sum") if vector == "sum" else inputs / f"{vector}.safetensors"
    return [
        *("--model", "tiny", "--mode", mode, "--seed", 0, "--task-vector", file),
        *("--pretrained-dir", study.root / "pretrained", "--heads-dir", study.root / "heads"),
        *("--tasks", *TASKS, CONTROL, *others),
    ]


def chosen(inputs, mode, vector):
    files = {name: inputs / mode / vector / f"{name}.json" for name in ("alpha", "result")}
    return ["--alpha", files["alpha"], "--result", files["result"]]


@pytest.fixture(scope="module")
def exported(study, inputs, tmp_path_factory):
    """The folder of an export, made once, by mode and vector."""
    root, made = tmp_path_factory.mktemp("exported"), {}

    def export(mode, vector, *others):
        if (mode, vector, *others) not in made:
            folder = root / f"{len(made)}"
            flags = flags_of(study, inputs, mode, vector, *chosen(inputs, mode, vector))
            study.script("export", *flags, *others, "--output-dir", folder)
            made[mode, vector, *others] = folder
        return made[mode, vector, *others]

    return export


def as_the_card_says(folder, images, tmp_path, imports_tangent):
    """Logits of the first head, by the code of the card in another Python."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    torch.save(images, tmp_path / "images.pt")
    code = [
        f"FOLDER = {str(folder)!r}",
        *blocks,
        "import sys",
        f"assert ('tangent' in sys.modules) == {imports_tangent}",
        "images = torch.load('images.pt', weights_only=True)",
        "with torch.no_grad(): torch.save(logits(images), 'logits.pt')",
    ]
    command = [sys.executable, "-c", "\n".join(code)]
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    if not imports_tangent:
        del environment["PYTHONPATH"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=300)
    return torch.load(tmp_path / "logits.pt", weights_only=True)


def logits_of(study, features, task):
    normalized = torch.nn.functional.normalize(features.double(), dim=-1)
    return normalized @ torch.from_numpy(study.head(task)).double().T


def close(found, expected):
    torch.testing.assert_close(found.double(), expected.double(), rtol=1e-4, atol=1e-4)


def test_a_standard_model_gives_the_studys_logits_by_open_clip_alone(study, exported, tmp_path):
    folder = exported("standard", "sum")
    found = as_the_card_says(folder, study.images("red", "test"), tmp_path, imports_tangent=False)
    features = study.oracle("standard", {"sum": ALPHA}, "red", "test")
    close(found, logits_of(study, features, "red"))
    assert (features - study.oracle("standard", {}, "red", "test")).abs().max() > 0.1


def test_all_keys_match_also_by_the_name_of_an_architecture(study, exported):
    folder = exported("standard", "red")
    config = read_json(folder / "open_clip_config.json")["model_cfg"]
    model = open_clip.CLIP(**config)
    state = load_file(folder / "open_clip_model.safetensors")
    assert model.load_state_dict(state, strict=True)
    # A name that open_clip knows, as the built-in ones are known.
    path = folder.parent / "tiny-name.json"
    write_json(path, config)
    open_clip.add_model_config(path)
    weights = str(folder / "open_clip_model.safetensors")
    named = open_clip.create_model("tiny-name", pretrained=weights).eval()
    with torch.no_grad():
        found = named.encode_image(study.images("red", "test"))
    close(found, study.oracle("standard", {"red": -ALPHA}, "red", "test"))


@pytest.mark.parametrize("vector", ["sum", "red"])
def test_transformers_has_the_same_features(study, exported, vector):
    folder = exported("standard", vector) / "transformers"
    model, info = CLIPModel.from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        images = study.images("green", "test")
        features = model.eval().get_image_features(pixel_values=images).pooler_output
    alpha = ALPHA if vector == "sum" else -ALPHA
    close(features, study.oracle("standard", {vector: alpha}, "green", "test"))


@pytest.mark.parametrize(("mode", "vector"), [("linear", "sum"), ("linear", "red")])
def test_a_linear_model_is_the_tangent_at_theta0(study, exported, mode, vector, tmp_path):
    """By finite differences in float64: f0 + α (f(θ0 + hτ) − f(θ0 − hτ)) / 2h."""
    folder, images = exported(mode, vector), study.images("red", "test")
    alpha, h = (ALPHA if vector == "sum" else -ALPHA), 1e-4
    tau = load_file(folder / "task_vector.safetensors")
    model = open_clip.create_model(f"local-dir:{folder}/theta0").eval().double().visual

    @torch.no_grad()
    def at(step):
        weights = {n: v + step * tau[n].double() for n, v in model.named_parameters()}
        return functional_call(model, weights, (images.double(),))

    expected = at(0) + alpha * (at(h) - at(-h)) / (2 * h)
    found = as_the_card_says(folder, images, tmp_path, imports_tangent=True)
    close(found, logits_of(study, expected, "red"))
    close(expected, study.oracle(mode, {vector: alpha}, "red", "test"))
    assert (expected - at(alpha)).abs().max() > 0.05  # the plain weights are another model


def test_a_linearized_folder_has_no_plain_weights_unless_forced(study, exported):
    files = {p.name for p in exported("linear", "sum").iterdir()}
    assert files == {"README.md", "theta0", "task_vector.safetensors", "heads"}
    files = {p.name for p in (exported("linear", "sum") / "theta0").iterdir()}
    assert files == {"open_clip_config.json", "open_clip_model.safetensors"}


@pytest.mark.parametrize("vector", ["sum", "red"])
def test_forced_plain_weights_say_what_they_lose(study, exported, vector):
    forced = ("--plain-tested-on", study.root / "datasets", "--batch-size", 16)
    folder = exported("linear", vector, *forced)
    alpha = ALPHA if vector == "sum" else -ALPHA
    model = open_clip.create_model(f"local-dir:{folder}/plain").eval()
    with torch.no_grad():
        found = model.encode_image(study.images("red", "test"))
    close(found, study.oracle("standard", {vector: alpha}, "red", "test"))
    text = (folder / "README.md").read_text(encoding="utf-8")
    for task in TASKS if vector == "sum" else ("red", CONTROL):
        kept = accuracy(study, "linear", {vector: alpha}, task)
        plain = accuracy(study, "standard", {vector: alpha}, task)
        row = re.search(rf"^\| {task} \| (.*) \|$", text, flags=re.MULTILINE)[1].split(" | ")
        assert row[0] == f"{100 * kept:.2f}"
        assert row[-2:] == [f"{100 * plain:.2f}", f"{100 * (kept - plain):.2f}"]


def test_the_card_is_the_hubs(study, inputs, exported):
    folder = exported("standard", "red", "--license", "mit")
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "mit"
    assert card.data.pipeline_tag == "zero-shot-image-classification"
    results = {of.dataset_name: of.metric_value for of in card.data.eval_results}
    found = read_json(inputs / "standard" / "red" / "result.json")
    assert results == {"red": found["target"], CONTROL: found["control"]}
    assert f"| α | {ALPHA:g}, chosen on validation images |" in card.text
    assert f"f(x; θ0 − {ALPHA:g}·τ)" in card.text
    for path in (
        inputs / "standard" / "red" / "alpha.json",
        study.root / "pretrained" / "open_clip_model.safetensors",
        folder / "open_clip_model.safetensors",
        folder / "transformers" / "model.safetensors",
    ):
        assert sha256_file(path) in card.text
    assert str(study.root) not in card.content and str(ROOT) not in card.content


def test_heads_are_the_studys(study, exported):
    folder = exported("standard", "sum")
    for task in (*TASKS, CONTROL):
        features = study.oracle("standard", {"sum": ALPHA}, task, "test").numpy()
        head = tangent.load_head(folder / "heads" / f"{task}.safetensors")
        right = head.outcomes(features, study.labels(task, "test"))
        assert encode(right) == encode(study.right("standard", {"sum": ALPHA}, task, "test"))


def test_another_coefficient_by_hand(study, inputs, tmp_path):
    flags = flags_of(study, inputs, "standard", "sum", "--coefficient", 0.25)
    study.script("export", *flags, "--output-dir", tmp_path / "out")
    model = open_clip.create_model(f"local-dir:{tmp_path}/out").eval()
    with torch.no_grad():
        found = model.encode_image(study.images("blue", "test"))
    close(found, study.oracle("standard", {"sum": 0.25}, "blue", "test"))
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert "Not measured" in card.text and card.data.eval_results is None
    assert "red, green, blue" in card.text


def test_alpha_of_a_loaded_encoder_may_be_changed(study, exported):
    folder, images = exported("linear", "sum"), study.images("red", "test")
    model = open_clip.create_model(f"local-dir:{folder}/theta0")
    path = folder / "task_vector.safetensors"
    encoder = tangent.LinearizedEncoder.load(model.visual, path)
    encoder.alpha = 0.0
    close(encoder(images), study.oracle("linear", {}, "red", "test"))
    encoder.alpha = 1.0
    close(encoder(images), study.oracle("linear", {"sum": 1.0}, "red", "test"))


def refused(study, inputs, *changes, mode="linear", vector="sum", chosen_as=None):
    flags = flags_of(study, inputs, mode, vector)
    flags += chosen(inputs, chosen_as or mode, vector)
    with pytest.raises(UserError) as caught:
        study.script("export", *flags, *changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_is_not_chosen_yet(study, inputs, tmp_path):
    gone = tmp_path / "nowhere" / "alpha.json"
    message = refused(study, inputs, "--alpha", gone, "--output-dir", tmp_path / "out")
    assert message.startswith(f"{gone} does not exist, so α is not chosen yet: run `snakemake")
    assert not (tmp_path / "out").exists()


def test_a_mode_or_seed_that_was_not_run(study, inputs, tmp_path):
    out = ("--output-dir", tmp_path / "out")
    message = refused(study, inputs, *out, mode="posthoc", chosen_as="linear")
    assert "is the result of mode 'linear', not 'posthoc'" in message
    message = refused(study, inputs, *out, mode="lineal", chosen_as="linear")
    assert message == "unknown mode 'lineal': the modes are standard, posthoc, linear."
    assert "is the result of seed 0, not 1" in refused(study, inputs, "--seed", 1, *out)
    red = ("--task-vector", inputs / "red.safetensors")
    assert "is the result of vector 'sum', not 'red'" in refused(study, inputs, *red, *out)
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_is_left_alone(study, inputs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    message = refused(study, inputs, "--output-dir", tmp_path / "out")
    assert message == f"{tmp_path / 'out'} exists already: remove it, or give another --output-dir."
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["timm_config.json", "t5_config.json"])
def test_another_family(study, inputs, tmp_path, name):
    write_json(tmp_path / "other" / name, {"model_cfg": {}})
    flags = ("--pretrained-dir", tmp_path / "other", "--output-dir", tmp_path / "out")
    message = refused(study, inputs, *flags)
    assert "but only clip is exported: take the encoder" in message


def test_plain_weights_of_a_plain_mode(study, inputs, tmp_path):
    flags = ("--plain-tested-on", study.root / "datasets", "--output-dir", tmp_path / "out")
    assert "is for a linearized mode" in refused(study, inputs, *flags, mode="standard")


def test_a_coefficient_beside_a_choice(study, inputs, tmp_path):
    flags = ("--coefficient", 0.5, "--output-dir", tmp_path / "out")
    assert "or --coefficient in the place of the two" in refused(study, inputs, *flags)


def test_a_vector_that_is_not_exported(study):
    with pytest.raises(UserError, match="says no alpha: give the task vector of an exported"):
        tangent.LinearizedEncoder.load(study.model, study.vector_file("red"))
