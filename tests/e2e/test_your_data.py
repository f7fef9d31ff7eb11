"""docs/your_data.md, followed literally on the demo's model with images drawn for it."""

from __future__ import annotations

import re
import shlex
import shutil
from collections import Counter
from pathlib import Path

import pytest
from conftest import read_json
from PIL import Image
from workspace import ROOT, Workspace

from tangent.demo.world import render_task
from tangent.tasks.task_files import load_task

PAGE = (ROOT / "docs" / "your_data.md").read_text(encoding="utf-8")
FILE = re.compile(r"in the file `([\w./-]+)`[^`]*?.*?```yaml\n(.*?)```", re.S)
BLOCKS = [block for block in PAGE.split("```")[1::2] if block.startswith("\n")]
DRAWN = {"train": 700, "test": 200}


def draw(folder: Path) -> Counter[str]:
    """Images in the folders that the page shows; returns how many of each split and class."""
    names = load_task("shapes").classes
    shown = {Path(line).parent.parts for line in BLOCKS[0].split() if "/" in line}
    root = {parts[0] for parts in shown}.pop()
    counts: Counter[str] = Counter()
    for split, drawn in DRAWN.items():
        images, labels = render_task("shapes", split, drawn, seed=5)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            if ("my-images", "train", names[label]) in shown:
                file = folder / root / split / names[label] / f"{number:04d}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(file)
                counts[split] += 1
    return counts


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> tuple[Workspace, Counter[str]]:
    """The page has been followed."""
    workspace = Workspace.create(tmp_path_factory.mktemp("own") / "study")
    shutil.copytree(ROOT / "pretrained" / "demo-vit", workspace.folder / "pretrained" / "demo-vit")
    counts = draw(workspace.folder)
    for name, text in FILE.findall(PAGE):
        path = workspace.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for command in BLOCKS[1].strip().splitlines():
        program, *arguments = shlex.split(command)
        assert program == "snakemake" and arguments[:2] == ["--cores", "2"]
        workspace.snakemake(*arguments[2:])
    return workspace, counts


def test_the_page_is_short():
    assert len(PAGE.split()) <= 350


def test_the_images_are_counted_and_stored(followed):
    workspace, counts = followed
    stored = read_json(workspace.folder / "resources/datasets/32px/figures/dataset.json")
    splits = {name: split["n"] for name, split in stored["splits"].items()}
    assert stored["classes"] == ["circle", "square", "triangle"] and stored["classes_checked"]
    assert splits["train"] + splits["validation"] == counts["train"]
    assert splits["test"] == counts["test"]


def test_the_task_is_learned_and_takes_part_in_task_addition(followed):
    workspace, counts = followed
    results = workspace.folder / "results" / "mine"
    alone = read_json(results / "single_task/demo-vit/standard/figures/seed0/accuracy.json")
    assert alone["test"]["accuracy"] > 0.6  # chance is a third
    added = read_json(results / "addition/demo-vit/linear/sum/seed0/result.json")
    assert added["tasks"]["figures"]["n"] == counts["test"]
    table = (results / "tables" / "table1.md").read_text(encoding="utf-8").casefold()
    assert "task addition" in table and "linear" in table


def test_another_image_makes_its_data_set_again_and_no_other(followed):
    workspace, _ = followed
    target = ("table1", "--configfile", "my-study.yaml")
    assert workspace.planned(*target) == set()
    file = next(iter((workspace.folder / "my-images" / "train" / "circle").iterdir()))
    shutil.copy(file, file.with_name("new.png"))
    planned = workspace.planned(*target)
    file.with_name("new.png").unlink()
    assert {"find the data of figures", "prepare the images of figures in 32 pixels"} <= planned
    assert any(job.startswith("fine-tune demo-vit on figures") for job in planned)
    assert not any("of shapes" in job or "on shapes (linear, seed" in job for job in planned)
