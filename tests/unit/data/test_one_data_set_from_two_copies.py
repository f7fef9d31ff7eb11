"""Prepared splits do not depend on the copy that the images came from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_server import Repository, files_in, serve
from locating import arguments, locate_all
from small_copies import HUB, NINE, hub_entry, write_folder, write_hub

from scripts import cli, prepare_dataset
from tangent.data.sources.source import Sizes
from tangent.jobs.files import read_json
from tangent.tasks.task_files import load_task

COMMIT = "c0ffee" * 6 + "1234"
N_TEST = 12


def sizes(task: str) -> Sizes:
    # As many again: fine-tuning needs every class after the validation images are taken.
    return Sizes(2 * len(load_task(task).classes), None, N_TEST)


@pytest.fixture(scope="module")
def located(tmp_path_factory) -> Path:
    """A folder with {task}.{source}.json of every data set."""
    folder = tmp_path_factory.mktemp("copies")
    repositories, jobs = {}, []
    for task in NINE:
        expected = sizes(task)
        copy = write_hub(folder / "hub" / task, task, expected.train, N_TEST)
        repositories[f"datasets/{HUB[task][0]}"] = Repository(COMMIT, files_in(copy), ["main"])
        write_folder(folder / "data", task, expected.train, N_TEST)
        for entry in (hub_entry(task), {"source": "folder", "root": str(folder / "data")}):
            output = folder / f"{task}.{entry['source']}.json"
            jobs.append(arguments(output, task, [entry], expected))
    with serve(repositories) as hub:
        locate_all(jobs, **hub.environment(folder / "home"))
    return folder


def prepare(located: Path, task: str, source: str, output: Path) -> dict:
    flags = ["--task", task, "--located", str(located / f"{task}.{source}.json")]
    flags += ["--image-size", "16", "--train-images", str(sizes(task).train)]
    flags += ["--test-images", str(N_TEST), "--order", "name" if task == "imagenet" else "content"]
    flags += ["--validation-fraction", "0.05", "--validation-maximum", "9"]
    if task == "imagenet":  # the control task is never fine-tuned
        flags += ["--splits", "validation", "test"]
    flags += ["--output-dir", str(output)]
    prepare_dataset.run(cli.parse(prepare_dataset.Arguments, flags))
    return read_json(output / "dataset.json")


@pytest.mark.parametrize("task", NINE)
def test_hub_and_folder_give_the_same_splits(task, located, tmp_path):
    by_hub, by_folder = (
        prepare(located, task, source, tmp_path / source) for source in ("hub", "folder")
    )
    assert by_hub["splits"] == by_folder["splits"] and by_hub["classes_checked"]
    for name in by_hub["splits"]:
        first, second = (tmp_path / copy / f"{name}.safetensors" for copy in ("hub", "folder"))
        assert first.read_bytes() == second.read_bytes()
