"""Models that the workflow pre-trains: which jobs a study gets, and what one more step re-makes."""

import pytest
from workspace import Workspace

RECIPE = {
    "objective": "contrastive", "tower": "vit", "images": 16, "epochs": 2, "batch_size": 8,
    "learning_rate": 1.0e-3, "seed": 1, "threads": 1,
}  # fmt: skip
MODELS = {
    "first": {"source": "pretraining", "recipe": "small", "step": 1},
    "second": {"source": "pretraining", "recipe": "small", "step": 3},
    "last": {"source": "pretraining", "recipe": "small", "step": None},
}


def study(*models):
    return {
        "study": "small",
        "models": list(models),
        "pretrained": {name: MODELS[name] for name in models},
        "pretraining": {"small": RECIPE},
        "disentanglement": {"models": [models[0]]},
        "eigenfunctions": {"models": [models[0]]},
        "combinations": {"models": []},
        "random_initialization": {"models": []},
    }


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.create(tmp_path_factory.mktemp("pretraining"))
    folder = workspace.folder / "pretrained" / "demo-vit"
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "open_clip_config.json"):
        (folder / name).write_bytes(b"")
    return workspace


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("demo-convnext", {"pretraining_demo-convnext": 1, "pretrained_clip": 1, "report": 1}),
        (
            "demo-emergence",
            {"pretraining_demo-vit-short": 1, "pretrained_clip": 4, "finetuned": 24},
        ),
        ("paper-convnext", {"pretrained_clip": 3, "finetuned": 2 * 8 * (3 + 1), "report": 1}),
    ],
)
def test_the_studies_of_pretrained_models_have_a_graph(workspace, name, jobs):
    counts = workspace.job_counts("--configfile", f"configs/{name}.yaml")
    assert counts.items() >= jobs.items()
    is_pretraining = {job for job in counts if job.startswith("pretraining_")}
    assert is_pretraining == {job for job in jobs if job.startswith("pretraining_")}


def test_a_pretraining_runs_again_for_a_new_step_or_recipe_only(workspace):
    folder = workspace.folder / "resources" / "pretraining" / "small"

    def targets(config):
        workspace.write("own.yaml", config)
        models = [f"resources/pretrained/{name}/encoder.safetensors" for name in config["models"]]
        return [*models, "--configfile", "own.yaml"]

    wanted = study("first", "second")
    wanted["pretraining"]["other"] = RECIPE | {"seed": 2}  # of which there is no model
    workspace.snakemake(*targets(wanted))
    assert {path.name for path in folder.glob("step*")} == {"step1", "step3"}
    assert (folder / "log.csv").read_text(encoding="utf-8").count("\n") == 1 + 3
    assert not (folder.parent / "other").exists()

    assert not workspace.planned(*targets(wanted))
    assert not workspace.planned(*targets(study("first")))
    again = {"pre-train small from nothing", "get the model first"}
    assert workspace.planned(*targets(study("first", "last"))) == {*again, "get the model last"}
    other = study("first")
    other["pretraining"]["small"] = RECIPE | {"seed": 5}
    assert workspace.planned(*targets(other)) == again


def test_the_last_step_is_that_of_the_schedule(workspace):
    workspace.write("last.yaml", study("last"))
    encoder = "resources/pretrained/last/encoder.safetensors"
    output = workspace.snakemake("-n", "-p", encoder, "--configfile", "last.yaml")
    assert "--metrics resources/pretraining/small/step4/metrics.json --history" in output
