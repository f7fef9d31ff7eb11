"""Folders of one's own as a ninth task of the demo: what is planned, how mistakes are answered."""

import shutil

import pytest
from workspace import Workspace

FIGURES = {"source": "class_folders", "train": "mine/train", "test": "mine/test"}
STUDY = {
    "tasks": ["shapes", "letters", "symbols", "patterns", "signs", "counting", "photos", "digits"],
    "datasets": {"figures": {"sources": [FIGURES]}},
    "finetuning": {"epochs": {"figures": 1}},
}
STUDY["tasks"] = [*STUDY["tasks"], "figures"]


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.create(tmp_path)
    workspace.name_shipped_model()
    for split, count in (("train", 150), ("test", 9)):
        for name in ("circle", "square"):
            (tmp_path / "mine" / split / name).mkdir(parents=True)
            for number in range(count):
                (tmp_path / "mine" / split / name / f"{number}.png").write_bytes(b"")
    workspace.write("ninth.yaml", STUDY)
    return workspace


def test_a_ninth_task_needs_configuration_alone(workspace):
    before, counts = workspace.plan()
    after, of_nine = workspace.plan("--configfile", "ninth.yaml")
    # docs/reruns.md, "a new task"; two trainings, three modes.
    assert of_nine - counts == {
        **{"data_source": 1, "dataset": 1, "heads": 1, "features": 1, "finetuned": 2},
        **{"task_vector": 2, "products": 2, "single_task": 3, "validate_negation": 3},
        **{"negation": 3, "total": 19},
    }
    assert before < after
    commands = workspace.snakemake("-n", "-p", "--configfile", "ninth.yaml")
    sizes = "--train-images 300 --test-images 18"
    (locating,) = [
        line for line in commands.splitlines() if "locate_dataset --task figures" in line
    ]
    assert sizes in locating and "--listing" in locating
    (head,) = [line for line in commands.splitlines() if "build_head" in line and "figures" in line]
    assert "--task figures --located resources/sources/figures.json" in head


@pytest.mark.parametrize("job", ["-n", "data"])
def test_an_empty_class_folder_is_one_line_and_nothing_runs(workspace, job):
    folder = workspace.folder / "mine" / "train" / "square"
    shutil.rmtree(folder)
    folder.mkdir()
    output = workspace.snakemake(job, "--configfile", "ninth.yaml", fails=True)
    (line,) = [line for line in output.splitlines() if "figures" in line]
    assert "datasets.figures.sources: mine/train/square holds no images: put some there" in line
    assert "Traceback" not in output and not (workspace.folder / "results").exists()
