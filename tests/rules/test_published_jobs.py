"""Published weights take the place of fine-tunings in the graph of jobs, and of nothing else."""

import pytest
import yaml
from workspace import ROOT, Workspace

from tangent.config.load import load_config

SHA256 = "0" * 64
HUB = {"source": "hub", "repository": "lab/letters", "revision": "5a" * 20}
FILE = {"source": "file", "path": "given/shapes.pt", "sha256": SHA256}
WEIGHTS = {"standard": {"shapes": FILE, "letters": HUB}, "linear": {"letters": HUB}}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("published"))
    workspace.name_shipped_model()
    (workspace.folder / "given").mkdir()
    (workspace.folder / "given" / "shapes.pt").write_bytes(b"")
    workspace.write("published.yaml", {"seeds": [0, 1], "published": {"demo-vit": WEIGHTS}})
    workspace.write("trained.yaml", {"seeds": [0, 1]})
    return workspace


def test_three_published_encoders_replace_six_fine_tunings_of_two_seeds(workspace):
    trained = workspace.job_counts("--configfile", "trained.yaml")
    counts = workspace.job_counts("--configfile", "published.yaml")
    assert counts.pop("published") == 3
    assert counts.pop("finetuned") == trained.pop("finetuned") - 6
    assert counts.pop("total") == trained.pop("total") - 3
    assert counts == trained


def test_the_study_from_random_weights_is_always_trained_here(workspace):
    planned = workspace.planned("table3", "--configfile", "published.yaml")
    assert "fine-tune demo-vit-random on shapes (standard, seed 1)" in planned
    assert "fine-tune demo-vit on shapes (standard, seed 1)" not in planned
    assert "take published weights of demo-vit on shapes (standard)" in planned


def test_a_missing_file_is_named_before_anything_runs(workspace):
    missing = FILE | {"path": "given/none.pt"}
    overlay = {"published": {"demo-vit": {"standard": {"shapes": missing}}}}
    workspace.write("missing.yaml", overlay)
    output = workspace.snakemake("-n", "--configfile", "missing.yaml", fails=True)
    assert "published.demo-vit.standard.shapes.path: given/none.pt does not exist" in output


def test_the_example_of_the_documentation_is_a_valid_configuration():
    page = (ROOT / "docs" / "published.md").read_text(encoding="utf-8")
    example = yaml.safe_load(
        page.partition("```yaml\n")[2].partition("```")[0].replace("…", SHA256)
    )
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["pretrained"]["ViT-B-32"] = config["pretrained"]["demo-vit"]
    weights = load_config(config | example).published["ViT-B-32"]["standard"]
    assert (weights["mnist"].source, weights["dtd"].source) == ("hub", "file")
