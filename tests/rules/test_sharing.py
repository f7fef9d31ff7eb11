"""Studies that share prepared models and images: none may remake what another one uses."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml
from workspace import ROOT, Workspace

from tangent.config.load import load_config
from tangent.config.sharing import made_otherwise, shared_conflicts


@pytest.fixture
def demo(tmp_path):
    mapping = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    mapping["paths"] = {
        "results": str(tmp_path / "results"), "resources": str(tmp_path / "resources")
    }  # fmt: skip
    return mapping


def keep(mapping, study, **changes):
    """What another study keeps beside its results."""
    other = load_config(copy.deepcopy(mapping) | {"study": study} | changes)
    folder = other.paths.results + f"/{study}"
    write(f"{folder}/config.yaml", yaml.safe_dump(other.model_dump(mode="json")))


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def made(mapping, *folders):
    for folder in folders:
        write(f"{mapping['paths']['resources']}/{folder}/file", "")


def with_sizes(mapping, task, **sizes):
    datasets = copy.deepcopy(mapping["datasets"])
    datasets[task] |= sizes
    return datasets


def test_the_same_settings_are_shared_whatever_else_differs(demo):
    keep(demo, "other", seeds=[7, 8], tasks=demo["tasks"][::-1])
    made(demo, "pretrained/demo-vit", "datasets/32px/shapes", "datasets/32px/glyphs")
    assert shared_conflicts(load_config(demo)) == []


def test_other_settings_of_a_folder_that_is_there_are_refused_by_key(demo):
    keep(demo, "other", datasets=with_sizes(demo, "shapes", train_images=900))
    assert shared_conflicts(load_config(demo)) == []  # nothing has been made yet
    made(demo, "datasets/32px/shapes", "datasets/32px/letters")
    (line,) = shared_conflicts(load_config(demo))
    assert "datasets/32px/shapes is used by the study 'other'" in line
    assert "other values of datasets.shapes.train_images," in line and "paths.resources" in line
    # The study may change itself, and one with resources of its own is free.
    assert shared_conflicts(load_config(demo | {"study": "other"})) == []
    own = demo["paths"] | {"resources": demo["paths"]["resources"] + "-own"}
    assert shared_conflicts(load_config(demo | {"paths": own})) == []


def test_a_key_that_the_other_study_is_too_old_for_has_its_default_there(demo):
    keep(demo, "other")
    made(demo, "datasets/32px/shapes")
    file = Path(demo["paths"]["results"], "other/config.yaml")
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert content["datasets"]["shapes"].pop("duplicates") == "refuse"
    write(file, yaml.safe_dump(content))
    assert shared_conflicts(load_config(demo)) == []
    datasets = with_sizes(demo, "shapes", duplicates="warn")
    (line,) = shared_conflicts(load_config(demo | {"datasets": datasets}))
    assert "with other values of datasets.shapes.duplicates, and" in line


def test_models_validation_and_the_control_task_count(demo):
    keep(demo, "other")
    made(demo, "pretrained/demo-vit", "datasets/32px/shapes", "datasets/32px/glyphs")
    pretrained = {"demo-vit": demo["pretrained"]["demo-vit"] | {"sha256": "0" * 64}}
    (line,) = shared_conflicts(load_config(demo | {"pretrained": pretrained}))
    assert "pretrained.demo-vit.sha256" in line
    lines = shared_conflicts(load_config(demo | {"validation": {"fraction": 0.2, "maximum": 9}}))
    assert len(lines) == 2 and all("validation.fraction, validation.maximum" in x for x in lines)
    tasks = [task for task in demo["tasks"] if task != "counting"]
    swapped = demo | {"tasks": [*tasks, "glyphs"], "control": "counting"}
    swapped["finetuning"] = demo["finetuning"] | {
        "epochs": demo["finetuning"]["epochs"] | {"glyphs": 1}
    }
    (line,) = shared_conflicts(load_config(swapped))
    assert "datasets/32px/glyphs" in line and "other values of control," in line


@pytest.mark.parametrize("content", ["", "[1, 2]", "models: [x]", "{", "\x00", "a: &a [*a]"])
def test_a_configuration_of_another_version_is_named_and_passed_over(demo, content, caplog):
    made(demo, "pretrained/demo-vit")
    file = f"{demo['paths']['results']}/old/config.yaml"
    write(file, content)
    assert shared_conflicts(load_config(demo)) == []
    assert f"{file} is damaged or of another version" in caplog.text


def test_whatever_is_edited_in_another_studys_configuration_stops_nothing(demo):
    """Any value of it replaced by one of another type."""
    rng = np.random.default_rng()
    made(demo, "pretrained/demo-vit", "datasets/32px/shapes")
    keep(demo, "other")
    file = Path(demo["paths"]["results"], "other", "config.yaml")
    whole = yaml.safe_load(file.read_text(encoding="utf-8"))
    for _ in range(100):
        content = place = copy.deepcopy(whole)
        while True:
            key = list(place)[rng.integers(len(place))]
            if not isinstance(place[key], dict) or not place[key] or rng.random() < 0.3:
                break
            place = place[key]
        place[key] = [None, 1, "text", [1], {"a": 1}][rng.integers(5)]
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        assert isinstance(shared_conflicts(load_config(demo)), list)


def test_a_damaged_record_of_a_shared_folder_is_named(demo):
    folder = f"{demo['paths']['resources']}/datasets/32px/shapes"
    for content in ("{}", "[]", '{"provenance": {"settings": 1}}', "{", ""):
        write(f"{folder}/dataset.json", content)
        (line,) = made_otherwise(load_config(demo), [f"{folder}/train.safetensors"])
        assert line.startswith(f"{folder} was made with settings that its damaged record")


def test_snakemake_refuses_before_it_removes_anything(demo, tmp_path):
    workspace = Workspace.create(tmp_path / "study")
    workspace.write("mine.yaml", {"paths": demo["paths"]})
    keep(demo, "other", datasets=with_sizes(demo, "signs", test_images=499))
    made(demo, "datasets/32px/signs")
    output = workspace.snakemake("data", "--configfile", "mine.yaml", fails=True)
    assert "datasets.signs.test_images" in output and "Traceback" not in output
    assert (tmp_path / "resources" / "datasets" / "32px" / "signs" / "file").exists()
    # A job that runs already is not asked again: it would end for what another study did since.
    job = ("data", "-n", "--mode", "remote", "--configfile", "mine.yaml")
    assert "data_source" in workspace.snakemake(*job)
    weights = tmp_path / "study" / "pretrained" / "demo-vit" / "model.safetensors"
    assert not weights.exists()
    output = workspace.snakemake("-n", fails=True)
    assert "pretrained.demo-vit.folder: pretrained/demo-vit holds no model.safetensors" in output
