"""Class names and templates: what is shipped is sound, and what is wrong is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tangent.jobs.errors import UserError
from tangent.tasks.matching import match_labels
from tangent.tasks.task_files import load_task, read_task, task_kind, task_names

DEMO_CLASSES = {
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


# name: (classes, templates), as the data sets' papers and OpenAI's prompts.md count them
PAPER_SIZES = {
    "cars": (196, 8),
    "dtd": (47, 8),
    "eurosat": (10, 3),
    "gtsrb": (43, 3),
    "mnist": (10, 1),
    "resisc45": (45, 18),
    "sun397": (397, 2),
    "svhn": (10, 1),
    "fashion_mnist": (10, 1),
    "imagenet": (1000, 80),
}


# name: answers and fields
TEXT_TASKS = {
    "polarity_books": (2, ("text",)),
    "polarity_films": (2, ("text",)),
    "topic_books": (6, ("text",)),
    "topic_films": (6, ("text",)),
    "domains": (7, ("text",)),
    "kinds": (6, ("text", "thing")),
    # As the cards of the hub's data sets have them.
    "ag_news": (4, ("text",)),
    "boolq": (2, ("question", "passage")),
    "emotion": (6, ("text",)),
    "imdb": (2, ("text",)),
    "openbookqa": (4, ("question_stem", "choices")),
    "qasc": (8, ("formatted_question",)),
    "sst2": (2, ("sentence",)),
}


@pytest.mark.parametrize("name", DEMO_CLASSES)
def test_demo_task_has_its_classes(name: str) -> None:
    task = load_task(name)
    assert task.name == name
    assert len(task.classes) == DEMO_CLASSES[name]


@pytest.mark.parametrize("name", PAPER_SIZES)
def test_task_of_the_paper_has_its_classes_and_templates(name: str) -> None:
    task = load_task(name)
    assert (len(task.classes), len(task.templates)) == PAPER_SIZES[name]
    assert len(set(task.templates)) == len(task.templates)


@pytest.mark.parametrize("name", TEXT_TASKS)
def test_text_task_has_its_answers_and_fields(name: str) -> None:
    task = load_task(name)
    assert (task.name, task.kind) == (name, "text")
    assert (len(task.classes), task.columns) == TEXT_TASKS[name]


@pytest.mark.parametrize("name", task_names())
def test_the_kind_of_a_task_is_that_of_its_file(name: str) -> None:
    assert task_kind(name) == load_task(name).kind


@pytest.mark.parametrize(
    ("name", "names", "order"),
    [
        ("imdb", ["neg", "pos"], [0, 1]),
        ("ag_news", ["World", "Sports", "Business", "Sci/Tech"], [0, 1, 2, 3]),
        ("sst2", ["negative", "positive"], [0, 1]),
        ("qasc", list("ABCDEFGH"), list(range(8))),
    ],
)
def test_the_hubs_class_names_are_understood(name, names, order) -> None:
    assert match_labels(load_task(name), names).tolist() == order


def test_no_shipped_task_is_left_out_here() -> None:
    assert set(task_names()) == {*DEMO_CLASSES, *PAPER_SIZES, *TEXT_TASKS}


@pytest.mark.parametrize("name", [*DEMO_CLASSES, *PAPER_SIZES])
def test_every_shipped_image_task_fills_its_templates(name: str) -> None:
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
        ({"classes": "[cat, dog, cat]", "labels": "[[n1], [n2], []]"}, "these repeat: cat"),
        ({"labels": "[[n1], [N-1]]"}, "must differ: n1, N-1"),
        ({"labels": "[[n1]]"}, "one list of names for each class"),
        ({"labels": "[n1, n2]"}, "each entry of labels must be a list"),
        ({"labels": "[[1], [2]]"}, "each entry of labels must be a list of strings"),
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


def test_names_may_repeat_where_labels_tell_them_apart(tmp_path: Path) -> None:
    task = read_task(_write(tmp_path, classes="[cat, dog, cat]", labels="[[n1], [], [n3, tom]]"))
    assert task.classes == ("cat", "dog", "cat")
    assert task.label_names == (("n1",), (), ("n3", "tom"))


def test_loading_tasks_needs_neither_torch_nor_numpy() -> None:
    import subprocess
    import sys

    heavy = "{'torch', 'numpy'} & set(sys.modules)"
    program = f"import sys, tangent.tasks.task_files; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
