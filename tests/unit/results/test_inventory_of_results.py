"""What a report says of jobs, weights and data: time, memory, provenance."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from tangent.config.model_sources import PretrainedByRecipe, Published
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_json, write_safetensors
from tangent.report.build import build_report
from tangent.report.inventory import provenance, published_weights, usage
from tangent.results.configuration import read_configuration


def test_usage_adds_benchmarks_up(page_study):
    config = read_configuration(page_study / "config.yaml")
    steps, modes = usage(config, page_study / "benchmarks")
    assert list(steps) == ["finetuned", "single_task", "addition"]
    assert (steps["finetuned"].jobs, steps["finetuned"].longest) == (8, 42.5)
    assert steps["finetuned"].seconds == pytest.approx(8 * 42.5)
    assert steps["finetuned"].memory == 812.5
    assert steps["addition"].memory is None  # Snakemake's "-"
    assert modes["standard"]["addition"].seconds == pytest.approx(8 * 0.4)
    assert not modes["linear"]
    assert usage(config, page_study / "nothing") == (
        {},
        {"standard": {}, "posthoc": {}, "linear": {}},
    )


def test_usage_counts_the_jobs_of_this_configuration(page_study, tmp_path):
    """Files that other seeds, models, tasks and pairs left behind do not count."""
    config = read_configuration(page_study / "config.yaml")
    pretrained_here = PretrainedByRecipe(source="pretraining", recipe="demo-vit", step=None)
    config = config.model_copy(update={"pretrained": {"demo-vit": pretrained_here}})
    mine = [
        "config", "tables/claims", "figures/figure2", "datasets/32px/shapes", "datasets/glyphs",
        "heads/demo-vit", "initial/demo-vit-random/seed1", "products/demo-vit/linear/sum/seed1",
        "finetuned/demo-vit/linear/symbols/seed0", "alpha/demo-vit-random/linear/sum/seed0",
        "finetuned/demo-vit-random/standard/shapes/seed0", "eigenfunctions/demo-vit/digits/seed0",
        "disentanglement/demo-vit/standard/shapes/letters/seed0",
        "combinations/demo-vit/linear/seed0/choices", "pretraining/demo-vit",
        "control_training/32px/glyphs",
    ]  # fmt: skip
    others = [
        "finetuned/demo-vit/linear/shapes/seed2", "finetuned/older/linear/shapes/seed0",
        "finetuned/demo-vit-random/standard/symbols/seed0", "eigenfunctions/demo-vit/signs/seed0",
        "disentanglement/demo-vit/standard/shapes/digits/seed0", "zero_shot/demo-vit/seed11",
        "combinations/demo-vit-random/linear/seed0/choices", "pretraining/older",
    ]  # fmt: skip
    for number, name in enumerate((*mine, *others)):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\n{2**number}\t1\n")
    steps, modes = usage(config, tmp_path)
    assert sum(step.jobs for step in steps.values()) == len(mine)
    assert sum(step.seconds for step in steps.values()) == 2 ** len(mine) - 1
    assert steps["datasets"].jobs == 2
    assert list(steps)[:4] == ["pretraining", "initial", "datasets", "control_training"]
    assert set(modes["standard"]) == {"disentanglement"}
    weights = TypeAdapter(Published).validate_python(
        {"source": "file", "path": "symbols.pt", "sha256": "0" * 64}
    )
    published = {"demo-vit": {"linear": {"symbols": weights}}}
    taken = config.model_copy(update={"published": published})
    (tmp_path / "published/demo-vit/linear").mkdir(parents=True)
    (tmp_path / "published/demo-vit/linear/symbols.tsv").write_text("s\n1\n")
    assert "published" not in usage(config, tmp_path)[0]
    steps, _ = usage(taken, tmp_path)
    assert (steps["published"].jobs, steps["finetuned"].jobs) == (1, 1)
    smaller = config.model_copy(update={"tasks": ["letters", "digits", "symbols"]})
    assert "shapes" not in smaller.tasks
    assert usage(smaller, tmp_path)[0]["datasets"].jobs == 1


def test_provenance_ignores_results_of_other_configurations(page_study):
    config = read_configuration(page_study / "config.yaml")
    other = page_study / "addition/older/linear/seed0/result.json"
    other.parent.mkdir(parents=True)
    other.write_text('{"model": "older", "seed": 0, "provenance": {"commit": "dead"}}')
    found = provenance(config, page_study)
    assert found.commits == {"c0ffee" * 6 + "c0ff"}
    assert found.versions["torch"] == {"2.12.1"}
    assert found.datasets["shapes"]["test"] == (500, "t" * 64)
    assert list(found.weights) == ["resources/pretrained/demo-vit/encoder.safetensors"]


def test_provenance_lists_the_data_of_every_form_that_models_read(page_study):
    """A model of larger images has files of its own, whose digests differ."""
    config = read_configuration(page_study / "config.yaml")
    larger = config.pretrained["demo-vit"].model_copy(update={"image_size": 64})
    both = {"pretrained": config.pretrained | {"larger": larger}, "models": ["demo-vit", "larger"]}
    for task in (*config.tasks, config.control):
        path = Path(config.paths.resources) / "datasets" / "64px" / task / "dataset.json"
        write_json(path, {"splits": {"test": {"n": 500, "sha256": "l" * 64}}})
    datasets = provenance(config.model_copy(update=both), page_study).datasets
    assert datasets["shapes (32px)"]["test"] == (500, "t" * 64)
    assert datasets["shapes (64px)"] == {"test": (500, "l" * 64)}
    assert len(datasets) == 2 * (len(config.tasks) + 1)


def test_weights_of_others_are_named(copied):
    config = yaml.safe_load((copied / "config.yaml").read_text(encoding="utf-8"))
    hub = {
        "source": "hub",
        "repository": "lab/tiny",
        "revision": "main",
        "file": "theta.safetensors",
    }
    local = {"source": "file", "path": "given/theta.pt", "sha256": "d" * 64}
    config["published"] = {"demo-vit": {"standard": {"shapes": hub}, "linear": {"letters": local}}}
    (copied / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(UserError, match="published/demo-vit/standard/shapes/encoder.safetensors"):
        build_report(copied)

    # What a former configuration took is there too, but this study does not use it.
    entries = {"standard/shapes": (hub, "c" * 40), "linear/letters": (local, None),
               "standard/digits": (local, None)}  # fmt: skip
    for name, (entry, commit) in entries.items():
        about = {"entry": entry, "commit": commit, "sha256": "e" * 64, "relative_distance": 0.0312}
        metadata = {"published": json.dumps(about), "provenance": json.dumps({"code": "5ca1ab1e"})}
        path = copied / "published" / "demo-vit" / name / "encoder.safetensors"
        write_safetensors(path, {"weight": np.zeros(2, np.float32)}, metadata)
    found = published_weights(read_configuration(copied / "config.yaml"), copied)
    assert [(row.training, row.task, row.origin) for row in found] == [
        ("standard", "shapes", f"lab/tiny at {'c' * 40}, theta.safetensors"),
        ("linear", "letters", "given/theta.pt"),
    ]
    page = build_report(copied)
    table = page.partition('<table id="published">')[2].partition("</table>")[0]
    for text in ("lab/tiny at " + "c" * 40, "given/theta.pt", "e" * 64, "0.0312"):
        assert text in table
    assert "digits" not in table
    assert "gives for 2 of the fine-tuned encoders" in page and "5ca1ab1e" in page


def test_a_study_without_weights_of_others_does_not_speak_of_them(page):
    assert "published by others" not in page and 'href="#published"' not in page
