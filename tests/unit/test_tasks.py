"""Class names and templates: what is shipped is sound, and what is wrong is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tangent.errors import UserError
from tangent.tasks import load_task, read_task, task_names

CLASSES = {
    "shapes": 10,
    "letters": 26,
    "symbols": 24,
    "patterns": 10,
    "signs": 12,
    "counting": 8,
    "photos": 16,
    "digits": 10,
    "glyphs": 38,
}


@pytest.mark.parametrize("name", CLASSES)
def test_shipped_task_has_its_classes(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert len(task.classes) == CLASSES[name]


@pytest.mark.parametrize("name", task_names())
def test_every_shipped_task_loads(name: str) -> None:
    task = load_task(name)
    assert len(task.prompts()) == len(task.classes)
    assert all(len(row) == len(task.templates) for row in task.prompts())


def test_prompts_fill_each_template_with_each_class() -> None:
    assert load_task("digits").prompts()[3] == ["the digit three", "the number three"]


def test_an_unknown_task_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'letters'"):
        load_task("leters")


def test_an_unknown_task_without_a_near_one_lists_all() -> None:
    with pytest.raises(UserError, match="Known tasks: .*counting"):
        load_task("xyzzy")


def _write(folder: Path, **changes: str) -> Path:
    fields = {
        "name": "pets",
        "description": "Two pets",
        "classes": "[cat, dog]",
        "templates": "['a photo of a {}.']",
    } | changes
    path = folder / "pets.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    return path


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    assert read_task(_write(tmp_path)).prompts() == [["a photo of a cat."], ["a photo of a dog."]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "[cat, dog, cat]"}, "these repeat: cat"),
        ({"classes": "[cat]"}, "at least two classes"),
        ({"classes": "[yes, no]"}, "list of strings"),
        ({"classes": "cat"}, "list of strings"),
        ({"templates": "['a photo']"}, "exactly one"),
        ({"templates": "['{} and {}']"}, "exactly one"),
        ({"templates": "['{0}']"}, "exactly one"),
        ({"templates": "[]"}, "at least one template"),
        ({"name": "birds"}, "the file says 'pets'"),
        ({"colour": "red"}, "exactly the keys"),
        ({"classes": "[cat"}, "YAML"),
    ],
)
def test_an_unsound_file_is_refused(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_task(_write(tmp_path, **changes))
    assert "pets.yaml" in str(caught.value)


def test_loading_tasks_needs_no_torch() -> None:
    import subprocess
    import sys

    program = "import sys, tangent.tasks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
