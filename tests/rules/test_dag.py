"""The demo's graph of jobs, and the answers to a wrong configuration, as Snakemake gives them."""

import json
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from small_copies import NINE
from workspace import ROOT, Workspace

TASKS, RANDOM_TASKS, MODELS = 8, 3, 2
TRAINED = TASKS + RANDOM_TASKS
DEMO = {
    "pretrained_clip": 1,
    "initial": 1,
    "data_source": TASKS + 1,
    "dataset": TASKS,
    "control_dataset": 1,
    "heads": TASKS + 1,
    "finetuned": 2 * TRAINED,
    "task_vector": 2 * TRAINED,
    "merged_vector": 2 * MODELS,
    "features": TRAINED + MODELS,  # on the control task too
    "products": 2 * (TRAINED + 1),  # on the control task too
    "zero_shot": MODELS,
    "single_task": 3 * TRAINED,
    "validate_addition": 3 * MODELS,
    "addition": 3 * MODELS,
    "validate_negation": 3 * TASKS,
    "negation": 3 * TASKS,
    "disentanglement": 9,
    "eigenfunctions": 5,
    "proposition1": 1,
    "validate_combinations": 2,
    "evaluate_combinations": 2,
    "resolved_config": 1,
    "collect_table": 14,
    "claims_table": 1,
    "derived_table": 2,
    "paper_table": 3,
    "plot": 8,
    "report": 1,
    "all": 1,
}
# Of configs/paper.yaml and configs/paper-vit-b-32.yaml.
PAPERS = {
    "data_source": (9, 9),
    "dataset": (8, 8),
    "control_dataset": (1, 1),
    "pretrained_clip": (3, 1),
    "initial": (1, 1),
    "heads": (27, 9),
    "finetuned": (64, 32),
    "task_vector": (64, 32),
    "merged_vector": (8, 4),
    "features": (36, 18),
    "products": (70, 34),
    "zero_shot": (4, 2),
    "single_task": (96, 48),
    "validate_addition": (12, 6),
    "addition": (12, 6),
    "validate_negation": (72, 24),
    "negation": (72, 24),
    "disentanglement": (9, 9),
    "eigenfunctions": (6, 6),
    "proposition1": (1, 1),
    "resolved_config": (1, 1),
    "collect_table": (11, 11),
    "claims_table": (1, 1),
    "derived_table": (2, 2),
    "paper_table": (3, 3),
    "plot": (7, 7),
    "report": (1, 1),
    "all": (1, 1),
    "total": (602, 302),
}
ONCE = ("pretrained_clip", "data_source", "dataset", "control_dataset", "heads", "resolved_config")
ONCE += ("collect_table", "claims_table", "derived_table", "paper_table", "plot", "report")
ONCE += ("all",)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("demo"))
    workspace.name_shipped_model()
    return workspace


def test_the_demo_has_these_jobs(workspace):
    counts = workspace.job_counts()
    assert counts.pop("total") == sum(DEMO.values())
    assert counts == DEMO


def test_free_text_is_text_to_snakemake_and_to_the_shell(workspace):
    label = "a {x} {{y}} {wildcards.task} {params} 'q' \"d\" $HOME `ls`; %s \\ #"
    workspace.write("free.yaml", {"architectures": {"demo-vit": label}})
    kept = "results/demo/config.yaml"
    workspace.snakemake(kept, "--configfile", "free.yaml")
    content = yaml.safe_load((workspace.folder / kept).read_text(encoding="utf-8"))
    assert content["architectures"] == {"demo-vit": label}
    commands = workspace.snakemake("claims", "-n", "-p", "--configfile", "free.yaml")
    (line,) = re.findall(r"^Shell command: (.* --table claims .*)$", commands, re.M)
    words = shlex.split(line)
    assert json.loads(words[words.index("--settings-json") + 1]) == {
        "families": {"demo-vit": f"CLIP, {label}"}
    }


def test_memory_budgets_are_flags_of_the_jobs_that_have_them(workspace):
    memory = {"kernels": 1.5, "products": 3, "images": 2}
    workspace.write("memory.yaml", {"compute": {"device": "cpu", "memory": memory}})
    commands = workspace.snakemake("-n", "-p", "--configfile", "memory.yaml")
    found = {}
    for step, given in re.findall(r"python -m scripts (\w+) (.*)", commands):
        for flag, value in re.findall(r"--((?:image-)?memory) (\d+)", given):
            found.setdefault((flag, int(value) / 2**30), set()).add(step)
            assert flag == "memory" or "--mode standard" in given
    evaluations = {"single_task", "disentanglement", "addition", "negation"}
    assert found == {
        ("memory", 1.5): {"eigenfunctions", "proposition1"},
        ("memory", 3): {"jacobian_products"},
        ("image-memory", 2): evaluations | {"validate_addition", "validate_negation"},
    }


def test_an_overlay_over_three_seeds_has_three_of_each(workspace):
    counts = workspace.job_counts("--configfile", "configs/demo-seeds.yaml")
    del counts["total"]
    assert counts == {rule: n if rule in ONCE else 3 * n for rule, n in DEMO.items()}


def test_only_a_data_set_that_accepts_duplicates_is_told_so(workspace):
    workspace.write("known.yaml", {"datasets": {"shapes": {"duplicates": "warn"}}})
    commands = workspace.snakemake("data", "-n", "-p", "--configfile", "known.yaml")
    prepared = re.findall(r"python -m scripts prepare_dataset .*", commands)
    (told,) = [command for command in prepared if "--duplicates" in command]
    assert len(prepared) == TASKS + 1
    assert "--task shapes " in told and "--duplicates warn " in told


@pytest.mark.parametrize(("column", "study"), [(0, "paper"), (1, "paper-vit-b-32")])
def test_the_papers_studies_have_these_jobs(workspace, column, study):
    expected = {rule: counts[column] for rule, counts in PAPERS.items()}
    assert workspace.job_counts("--configfile", f"configs/{study}.yaml") == expected
    assert expected["finetuned"] == 2 * 8 * (3 + 1 if study == "paper" else 1 + 1)


def test_probes_are_fitted_on_training_images_also_of_the_control_task(workspace):
    study = ("--configfile", "configs/demo-closed-vocabulary.yaml")
    messages, counts = workspace.plan(*study)
    assert counts["probe_heads"] == 2 * (4 + 1) and counts["heads"] == 0
    assert counts["control_dataset"] == counts["control_training"] == 1
    assert "pre-train demo-timm-vit from nothing" in messages
    assert "fit the linear probe of demo-timm-convnext for glyphs" in messages
    commands = workspace.snakemake("-n", "-p", *study)
    [probe] = re.findall(r"python -m scripts fit_probe .*demo-timm-vit.*--task glyphs.*", commands)
    assert "--train-dir resources/control_training/32px/glyphs " in probe
    assert "--datasets-dir resources/datasets/32px " in probe
    assert "--strengths 0.0001 10.0 6" in probe


def test_a_classifier_of_imagenet_is_its_own_head_there(workspace):
    study = ("--configfile", "configs/paper-closed-vocabulary.yaml")
    commands = workspace.snakemake("-n", "-p", *study)
    probes = re.findall(r"python -m scripts fit_probe .*", commands)
    fitted = [probe for probe in probes if "--train-dir" in probe]
    assert len(probes) == 2 * 9 and len(fitted) == 2 * 8
    assert not any("--task imagenet" in probe for probe in fitted)
    assert "rule control_training" not in commands


def test_the_smoke_study_has_a_graph(workspace):
    counts = workspace.job_counts("--configfile", "configs/smoke-gpu.yaml")
    assert counts["finetuned"] == 2 * 8 * 2 and counts["report"] == 1


@pytest.mark.parametrize(
    ("overlay", "messages"),
    [
        (
            {"finetuning": {"epoch": 3, "batch_size": "128"}, "seeds": [0, 0]},
            [
                "finetuning.epoch is not a known key; did you mean finetuning.epochs?",
                "finetuning.batch_size must be a whole number, not '128'",
            ],
        ),
        (
            {"seeds": [0, 0], "tasks": ["shape", "glyphs"], "models": ["vit"]},
            [
                "models: 'vit' is not in pretrained",
                "tasks: 'shape' is not in datasets; did you mean 'shapes'?",
                "seeds: 0 is listed 2 times",
                "control: 'glyphs' is also in tasks",
            ],
        ),
    ],
)
def test_a_wrong_configuration_ends_in_one_message(workspace, overlay, messages):
    workspace.write("wrong.yaml", overlay)
    output = workspace.snakemake("-n", "--configfile", "wrong.yaml", fails=True)
    lines = [line for line in output.splitlines() if line.startswith("config.yaml")]
    for message in messages:
        assert any(line.startswith(f"config.yaml with wrong.yaml: {message}") for line in lines)
    assert "Traceback" not in output and "File " not in output


def test_a_study_may_extend_one_that_extends_another(workspace):
    workspace.write("own.yaml", {"extends": "configs/smoke-gpu.yaml", "study": "own"})
    extended = workspace.job_counts("--configfile", "configs/smoke-gpu.yaml")
    assert workspace.job_counts("--configfile", "own.yaml") == extended
    # The file in the middle has neither tasks nor a control task of its own.
    assert workspace.planned("data", "--configfile", "own.yaml") == {
        f"{what} {task}{size}"
        for what, size in (("find the data of", ""), ("prepare the images of", " in 224 pixels"))
        for task in NINE
    }


def test_snakemake_finds_nothing_to_improve(workspace):
    assert "Congratulations" in workspace.snakemake("--lint")
    subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "rules"], cwd=ROOT, check=True
    )


def test_a_person_can_ask_for_one_artefact_by_name(workspace):
    counts = workspace.job_counts("table1", "figure3", "claims", "figures", "pretrain_demo")
    assert counts["pretraining_demo-vit"] == 1
    assert counts["plot"] == 8 and counts["paper_table"] == 1 and "report" not in counts


def test_another_folder_is_answered_with_the_right_one(tmp_path):
    """With a copy of config.yaml there too: a dry run would succeed, and every job fail."""
    for there in (tmp_path, tmp_path / "copy"):
        there.mkdir(exist_ok=True)
        if there.name == "copy":
            (there / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
        for where, flags in ((there, []), (ROOT, ["--directory", str(there)])):
            command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-n"]
            done = subprocess.run([*command, *flags], cwd=where, capture_output=True, text=True)
            assert done.returncode == 1
            said = done.stderr.splitlines()[-1]
            assert said == f"start Snakemake in the repository's folder: cd {ROOT}"


def test_export_is_of_the_first_seed_and_the_negations_that_are_listed(workspace):
    workspace.write("export.yaml", {"seeds": [4, 2], "export": {"negations": ["digits", "signs"]}})
    messages, counts = workspace.plan("export", "--configfile", "export.yaml")
    assert (counts["exported_addition"], counts["exported_negation"]) == (3, 6)
    assert "export the model without signs (demo-vit, posthoc, seed 4)" in messages
    assert not any("seed 2" in message for message in messages)
    assert counts["plot"] == counts["eigenfunctions"] == counts["initial"] == 0


@pytest.mark.parametrize("study", ["demo-closed-vocabulary", "demo-t5"])
def test_export_of_another_family_is_refused_before_anything_runs(workspace, study):
    output = workspace.snakemake("export", "--configfile", f"configs/{study}.yaml", fails=True)
    assert "but only clip is exported: take the encoder (resources/pretrained/" in output
    assert "rule " not in output
