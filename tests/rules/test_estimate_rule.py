"""`snakemake estimate` says what the real graph of jobs holds, and leaves nothing behind."""

from collections import Counter

import pytest
import yaml
from snakemake.utils import update_config
from workspace import ROOT, Workspace

from tangent.config.cost.passes import jobs_of
from tangent.config.load import load_config

HUB = {"source": "hub", "repository": "lab/letters", "revision": "5a" * 20}
OVERLAYS = {
    "published.yaml": {
        "seeds": [0, 1],
        "published": {"demo-vit": {"standard": {"shapes": HUB}, "linear": {"letters": HUB}}},
    },
    "searched.yaml": {
        "seeds": [0, 1],
        "published": {"demo-vit": {"linear": {"letters": HUB}}},
        "finetuning": {"learning_rate": {"linear": {"grid": [1.0e-4, 1.0e-3, 1.0e-2]}}},
    },
    "searched-apart.yaml": {
        "finetuning": {
            "learning_rate": {"standard": {"grid": [1.0e-4, 1.0e-3, 1.0e-2]}},
            "tuning_seed": 7,
        },
    },
    "fewer.yaml": {
        "tasks": ["shapes", "letters", "symbols", "patterns"],
        "disentanglement": {"pairs": [["letters", "patterns"]]},
        "eigenfunctions": {"tasks": ["letters", "patterns"]},
        "random_initialization": {"models": [], "tasks": ["letters"]},
    },
}

CONFIGURATIONS = ("configs/paper.yaml", "configs/demo-closed-vocabulary.yaml")
CONFIGURATIONS += ("configs/paper-closed-vocabulary.yaml", "configs/paper-t5.yaml")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("estimate"))
    folder = workspace.folder / "pretrained" / "demo-vit"
    folder.mkdir(parents=True)
    source = ROOT / "pretrained" / "demo-vit" / "open_clip_config.json"
    (folder / source.name).write_bytes(source.read_bytes())
    (folder / "model.safetensors").write_bytes(b"")
    for name, content in OVERLAYS.items():
        workspace.write(name, content)
    return workspace


def merged(workspace, name):
    """The configuration as Snakemake merges it."""
    files = [workspace.folder / name]
    while extended := yaml.safe_load(files[-1].read_text()).get("extends"):
        files.append(workspace.folder / extended)
    content = yaml.safe_load((workspace.folder / "config.yaml").read_text())
    for file in reversed(files):
        update_config(content, yaml.safe_load(file.read_text()))
    return load_config(content)


@pytest.mark.parametrize("name", [*OVERLAYS, *CONFIGURATIONS])
def test_jobs_are_those_of_a_dry_run(workspace, name):
    expected = workspace.job_counts("--configfile", name)
    assert expected.pop("total") == sum(expected.values())
    del expected["all"]
    config = merged(workspace, name)
    counts = Counter()
    for jobs in jobs_of(config, dict.fromkeys(config.models, 10)):
        counts[jobs.rule] += jobs.count
    assert counts == expected


def test_a_model_without_an_estimate_is_named(workspace):
    name = "configs/paper-closed-vocabulary.yaml"
    output = workspace.snakemake("estimate", "--configfile", name, fails=True)
    message = "pretrained.ViT-B-16-in1k: there is no estimate for models of the source 'timm'"
    assert message in output and "Traceback" not in output


def test_it_prints_the_table_and_writes_no_file(workspace):
    before = contents(workspace)
    output = workspace.snakemake("estimate", "--configfile", "configs/paper.yaml")
    assert "Estimate for the study paper, from nothing, on H200" in output
    assert "ViT-L-14" in output and "GPU-h" in output
    assert contents(workspace) == before


def test_a_study_on_a_cpu_is_reckoned_in_its_hours(workspace):
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
