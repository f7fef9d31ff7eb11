"""`snakemake estimate` says what the real graph of jobs holds, and leaves nothing behind."""

import re

import pytest
from workspace import ROOT, Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("estimate"))
    folder = workspace.folder / "pretrained" / "demo-vit"
    folder.mkdir(parents=True)
    source = ROOT / "pretrained" / "demo-vit" / "open_clip_config.json"
    (folder / source.name).write_bytes(source.read_bytes())
    (folder / "model.safetensors").write_bytes(b"")
    return workspace


def test_a_model_without_an_estimate_is_named(workspace):
    name = "configs/paper-closed-vocabulary.yaml"
    output = workspace.snakemake("estimate", "--configfile", name, fails=True)
    message = "pretrained.ViT-B-16-in1k: there is no estimate for models of the source 'timm'"
    assert message in output and "Traceback" not in output


def test_it_prints_the_table_and_writes_no_file(workspace):
    """The hours are those of eight tasks, three models and their 21 α, added up by hand."""
    before = contents(workspace)
    output = workspace.snakemake("estimate", "--configfile", "configs/paper.yaml")
    assert "Estimate for the study paper, from nothing, on H200" in output
    assert contents(workspace) == before
    stages = output.partition("\nrule ")[0]
    rows = {row[0]: row[1:] for row in map(str.split, stages.splitlines()) if row}
    counts = workspace.job_counts("--configfile", "configs/paper.yaml")
    assert int(rows["total"][0]) == counts["total"] - 1  # `all` itself
    assert rows["finetuned"][:2] == ["64", "64"] and float(rows["finetuned"][2]) > 40
    assert rows["ViT-L-14"][1] == "78" and rows["products"][:2] == ["70", "70"]
    # Eight tasks in both trainings, and of the random ViT-B-32 likewise, 4 bytes per weight.
    weights = {"B-32": 87_849_216, "B-16": 86_192_640, "L-14": 303_966_208}
    expected = 4 * 16 * (2 * weights["B-32"] + weights["B-16"] + weights["L-14"]) / 1e9
    size = float(re.search(r"finetuned .* GB +([\d.]+) GB", output).group(1))
    assert size == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("name", "gpu", "most"),
    [("paper-vit-b-32", "A10", 22), ("paper", "A100-40GB", 38)],  # GB; the rest is a reserve
)
def test_the_shipped_studies_fit_into_the_gpus_that_docs_name(workspace, name, gpu, most):
    workspace.write("gpu.yaml", {"estimate": {"gpu": gpu}})
    files = ("--configfile", f"configs/{name}.yaml", "gpu.yaml")
    output = workspace.snakemake("estimate", *files)
    assert f"Estimate for the study {name}, from nothing, on {gpu}" in output
    assert "WARNING" not in output and "ViT-L-14" in output or name != "paper"
    assert (
        10
        < float(re.search(r"^total .* ([\d.]+) GB +[\d.]+ GB +[\d.]+ GB", output, re.M)[1])
        < most
    )


def test_a_study_on_a_cpu_is_estimated_in_its_hours(workspace):
    workspace.write("cpu.yaml", {"study": "on-cpu", "compute": {"device": "cpu"}})
    output = workspace.snakemake("estimate", "--configfile", "cpu.yaml")
    assert "Estimate for the study on-cpu" in output and "CPU-h" in output


def test_an_unknown_gpu_is_one_message(workspace):
    overlay = {"compute": {"device": "cuda"}, "estimate": {"gpu": "B300"}}
    workspace.write("gpu.yaml", overlay)
    output = workspace.snakemake("estimate", "--configfile", "gpu.yaml", fails=True)
    assert "error: estimate.gpu: there are no figures for 'B300'; known: H200, H100" in output
    assert "Traceback" not in output


def contents(workspace):
    """All files but those of Snakemake and of Python themselves."""
    return {
        path
        for path in workspace.folder.rglob("*")
        if not {".snakemake", "__pycache__"} & set(path.parts)
    }
