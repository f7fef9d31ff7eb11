"""The Slurm profile and its site file, through Snakemake; no cluster is needed to plan."""

import re

import pytest
import yaml
from workspace import ROOT, Workspace

from tangent.config.cost.study import Costs
from tangent.config.cost.throughput import CPU, Machine
from tangent.config.load import load_config
from tangent.config.site import Site, read_site, rule_names
from tangent.jobs.errors import UserError


def site_file(folder, text):
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def problems(folder, text):
    with pytest.raises(UserError) as caught:
        read_site(site_file(folder, text), rules=str(ROOT / "rules"))
    return caught.value.args


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acount: me", "acount is not a known key; did you mean account?"),
        ("partitions: {gpus: a100}", "partitions.gpus is not a known key"),
        ("jobs: many", "jobs must be a whole number, not 'many'"),
        ("jobs: 0", "jobs must be at least 1, not 0"),
        ("status: qstat", "status must be one of 'squeue' or 'sacct', not 'qstat'"),
        (
            "rules: {finetune: {runtime: 9}}",
            "rules.finetune is no rule; rules: addition,",
        ),
        ("rules: {finetuned: {memory: 9}}", "memory"),
        ("rules: {finetuned: {runtime: -1}}", "runtime"),
        ("[1, 2]", "must be a mapping of keys"),
        ("a: [", "line 1: it is no YAML"),
    ],
)
def test_a_wrong_site_file_is_answered_with_its_name_and_the_key(text, expected, tmp_path):
    found = problems(tmp_path, text)
    assert any(expected in problem for problem in found), found
    assert all("site.yaml" in problem for problem in found)


def test_the_example_and_an_empty_file_are_right(tmp_path):
    example = read_site(str(ROOT / "profiles/slurm/site.example.yaml"), str(ROOT / "rules"))
    assert example.account and example.partitions.gpu
    assert read_site(site_file(tmp_path, ""), str(ROOT / "rules")) == Site()


def test_a_number_grows_with_the_attempt_and_text_is_text():
    site = Site.model_validate(
        {
            "account": "me",
            "defaults": {"qos": "long", "slurm_extra": "--comment=x"},
            "rules": {"finetuned": {"runtime": 90, "mem_mb": 8000, "gpu": 2}},
        }
    )
    assert site.default_resources() == {
        "slurm_account": "'me'",
        "qos": "'long'",
        "slurm_extra": "'--comment=x'",
    }
    found = site.resources_of_rules(["finetuned"])
    of_training = found["finetuned"]
    assert [eval(of_training["runtime"], {"attempt": n}) for n in (1, 3)] == [90, 270]
    assert [eval(of_training["mem_mb"], {"attempt": n}) for n in (1, 2)] == [8000, 16000]
    assert of_training["gpu"] == 2
    assert eval(of_training["slurm_extra"]) == "--signal=TERM@120 --comment=x"


def test_rules_are_known_by_their_names():
    names = rule_names(str(ROOT / "rules"))
    assert {"finetuned", "control_dataset", "negation", "report"} <= names


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.create(tmp_path / "study")
    config = yaml.safe_load((workspace.folder / "config.yaml").read_text("utf-8"))
    config["compute"]["device"] = "cpu"
    (workspace.folder / config["pretrained"]["demo-vit"]["folder"]).mkdir(parents=True)
    for name in ("model.safetensors", "open_clip_config.json"):
        (workspace.folder / "pretrained/demo-vit" / name).write_text("")
    workspace.write("config.yaml", config)
    return Workspace(workspace.folder, options=("--profile", "slurm", "-n"))


def test_without_a_site_file_snakemake_says_how_to_make_one(workspace):
    output = workspace.snakemake(fails=True)
    assert "profiles/slurm/site.yaml does not exist: copy profiles/slurm/site.example" in output
    assert "Traceback" not in output


def test_rules_of_an_entry_in_different_partitions_are_one_line(workspace):
    rules = {"plot": {"slurm_partition": "x", "mem_mb": 9}}
    workspace.write("profiles/slurm/site.yaml", {"rules": rules})
    output = workspace.snakemake(fails=True)
    assert "Traceback" not in output
    sharing = r"rules\.plot\.slurm_partition is 'x',.* the same to all of (.*)"
    names = re.search(sharing, output).group(1).split(", ")
    assert {"plot", "report", "collect_table", "resolved_config"} <= {*names}
    assert "single_task" not in names
    workspace.write("profiles/slurm/site.yaml", {"rules": {"negation": {"qos": "long"}}})
    output = workspace.snakemake(fails=True)
    shared = re.search(r"rules\.negation\.qos is 'long',.* the same to all of (.*)", output)
    assert {"single_task", "evaluate_combinations"} <= {*shared.group(1).split(", ")}
    rules |= {name: {"slurm_partition": "x"} for name in names if name != "plot"}
    workspace.write("profiles/slurm/site.yaml", {"rules": rules})
    workspace.snakemake()


def test_a_study_is_planned_with_the_example(workspace):
    folder = workspace.folder / "profiles" / "slurm"
    (folder / "site.yaml").write_bytes((folder / "site.example.yaml").read_bytes())
    output = workspace.snakemake()
    assert "fine-tune demo-vit on letters (linear, seed 0)" in output


def test_the_device_must_be_named_where_jobs_run_elsewhere(workspace):
    workspace.write("profiles/slurm/site.yaml", {})
    output = workspace.snakemake("--config", "compute={device: auto}", fails=True)
    assert "compute.device: auto asks this machine for its GPUs" in output


def test_resources_of_files_that_exist_grow_with_their_size_and_the_attempt(workspace):
    """The rules' own functions, called as Snakemake calls them."""
    source = (workspace.folder / "rules" / "cluster.smk").read_text("utf-8")
    start, end = source.index("def memory"), source.index("if workflow.remote_exec")
    functions = {}
    exec("import os\n" + source[start:end], functions)
    content = (workspace.folder / "config.yaml").read_text("utf-8")
    config = yaml.safe_load(content)
    # Of an architecture that has no estimate: the encoder's file tells its size.
    timm = {"source": "timm", "name": "convnext_base.fb_in1k", "image_size": 224}
    config["pretrained"]["demo-vit"] = timm
    functions["COSTS"] = Costs(load_config(config), Machine(CPU, 0.35))
    functions["DEVICE_NAME"] = "cuda"
    encoder, products = (workspace.folder / f"{name}.safetensors" for name in ("encoder", "test"))
    encoder.write_bytes(b"\0" * (3 << 20))
    products.write_bytes(b"\0" * (2 << 20))
    wildcards = {"model": "demo-vit", "task": "letters", "training": "linear", "mode": "posthoc"}
    memory = functions["memory"]

    class Input(list):
        def get(self, name, default):
            return [str(products)] if name == "products" and str(products) in self else default

    for attempt in (1, 3):
        of_training = memory(wildcards, Input([str(encoder)]), attempt, "finetuned")
        assert of_training == attempt * (4000 + 8 * 3)
        of_lookup = memory(wildcards, Input([str(products)]), attempt, "single_task")
        assert of_lookup == attempt * (1000 + 2)
        assert functions["minutes"](wildcards, attempt, "finetuned") == attempt * 240
    assert functions["gpus"](wildcards, "finetuned") == 1
    assert functions["gpus"](wildcards, "single_task") == 0
    assert functions["gpus"]({**wildcards, "mode": "standard"}, "single_task") == 1
