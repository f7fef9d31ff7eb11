"""Other people's numbers: as their sources print them, and consistent with each other."""

from statistics import mean

import pytest
from paper_study import CONTROL, MODELS, TASKS

from tangent.results.paper_numbers import (
    are_paper_tasks,
    paper_difference,
    paper_number,
    paper_numbers,
    rerun_accuracies,
    rerun_range,
)

# Typed from the printed tables, not from the data files. Absolute (normalised); target / control.
ADDITION = {
    "zero_shot": "48.4 55.2 64.4",
    "standard": "71.4 (76.5) 75.5 (80.0) 85.1 (88.8)",
    "posthoc": "57.1 (81.9) 65.0 (85.2) 75.2 (90.0)",
    "linear": "76.5 (85.4) 81.3 (86.0) 88.5 (93.5)",
}
NEGATION = {
    "zero_shot": "48.4 / 63.4 55.2 / 68.3 64.4 / 75.5",
    "standard": "24.0 / 60.7 19.2 / 64.6 18.0 / 72.5",
    "posthoc": "14.8 / 60.3 10.8 / 64.8 12.1 / 71.8",
    "linear": "10.9 / 60.8 11.3 / 64.8 7.9 / 72.5",
}
RERUNS = {
    "standard": "70.1–73.5 (77.2–80.4) 73.6–77.0 (79.9–82.9) 82.9–84.5 (87.9–89.7)",
    "linear": "74.3–78.8 (85.0–89.9) 77.5–82.0 (86.2–90.9) 84.8–88.0 (91.9–94.8)",
}
SINGLE_TASK = {
    "zero_shot": "48.1 55.5 64.9",
    "standard": "90.5 92.0 94.1",
    "linear": "87.3 89.6 92.1",
}


def numbers(text):
    for mark in "()/":
        text = text.replace(mark, " ")
    return text.split()


@pytest.mark.parametrize(
    ("table", "printed", "quantities"),
    [
        ("addition", ADDITION, ("absolute", "normalized")),
        ("negation", NEGATION, ("target", "control")),
    ],
)
def test_the_papers_numbers(table, printed, quantities):
    for mode, text in printed.items():
        used = quantities[:1] if "(" not in text and "/" not in text else quantities
        found = [
            f"{100 * paper_number(table, model, mode, quantity):.1f}"
            for model in MODELS
            for quantity in used
        ]
        assert found == numbers(text)
    assert paper_number("addition", "ViT-B-32", "zero_shot", "normalized") is None
    assert paper_number(table, "demo-vit", "linear", quantities[0]) is None


def test_ranges_of_reruns():
    for mode, text in RERUNS.items():
        ranges = [
            rerun_range("addition", model, mode, quantity, "all")
            for model in MODELS
            for quantity in ("absolute", "normalized")
        ]
        assert [f"{100 * low:.1f}–{100 * high:.1f}" for low, high in ranges] == numbers(text)
        assert all(0 < low < high < 1 for low, high in ranges)
    assert rerun_range("addition", "ViT-B-32", "posthoc", "absolute", "all") is None
    assert rerun_range("negation", "ViT-B-32", "linear", "target", "all") is None


def test_means_of_the_rerun_are_the_printed_ones():
    for mode, text in SINGLE_TASK.items():
        for model, printed in zip(MODELS, numbers(text), strict=True):
            low, high = rerun_range("single_task", model, mode, "accuracy", "all")
            of_tasks = [rerun_range("single_task", model, mode, "accuracy", t) for t in TASKS]
            assert low == high == pytest.approx(mean(one for one, _ in of_tasks))
            # Half a unit of the printed digit, and the accuracies' own rounding (94.1 is of 94.05).
            assert 100 * low == pytest.approx(float(printed), abs=0.055)
    assert rerun_range("single_task", "ViT-B-32", "posthoc", "accuracy", "all") is None
    assert rerun_range("single_task", "demo-vit", "linear", "accuracy", "all") is None


def test_every_task_split_and_mode_of_the_rerun_is_there():
    accuracies = rerun_accuracies()
    assert tuple(accuracies) == MODELS
    for modes in accuracies.values():
        assert tuple(modes) == ("zero_shot", "standard", "linear")
        for mode, splits in modes.items():
            expected = {*TASKS} if mode == "linear" else {*TASKS, CONTROL}
            assert {split: set(values) for split, values in splits.items()} == {
                "validation": expected,
                "test": expected,
            }
            assert all(0.2 < one < 1 for values in splits.values() for one in values.values())


@pytest.mark.parametrize("model", MODELS)
def test_zero_shot_is_the_same_model_everywhere(model):
    """Two sources of one deterministic number: the paper's tables and the re-run."""
    assert paper_number("addition", model, "zero_shot", "absolute") == paper_number(
        "negation", model, "zero_shot", "target"
    )
    (low, _) = rerun_range("single_task", model, "zero_shot", "accuracy", "all")
    assert paper_number("addition", model, "zero_shot", "absolute") == pytest.approx(low, abs=0.006)
    # The control accuracy of test images, not the 66.7 of the validation split.
    (control, _) = rerun_range("single_task", model, "zero_shot", "accuracy", CONTROL)
    assert paper_number("negation", model, "zero_shot", "control") == pytest.approx(
        control, abs=0.001
    )


def test_every_row_has_a_number_per_model_and_a_source():
    for table in ("addition", "negation", "rerun_addition", "later_addition"):
        for row in paper_numbers()[table]:
            columns = {*row} - {"mode", "label", "source", "reference"}
            assert columns and all(len(row[column]) == len(MODELS) for column in columns)
            assert row["source"] == ("recalled" if table in ("addition", "negation") else "cited")


def test_paper_tasks():
    assert are_paper_tasks(reversed(TASKS), CONTROL)
    assert not are_paper_tasks(TASKS[1:], CONTROL)
    assert not are_paper_tasks(TASKS, "glyphs")
    assert not are_paper_tasks([*TASKS, "letters"], CONTROL)


def test_differences_as_text():
    expected = "ViT-B-32 +5.1, ViT-B-16 +5.8, ViT-L-14 +3.4 points (recalled)"
    assert paper_difference("addition", "absolute", "linear", "standard") == expected


def test_differences_of_single_tasks_are_those_of_the_printed_means():
    *models, last = paper_difference("single_task", "accuracy", "standard", "linear").split(", ")
    assert last.endswith(" points (cited re-run)")
    values = [float(text.split()[1].replace("−", "-")) for text in (*models, last)]
    standard, linear = (
        list(map(float, SINGLE_TASK[mode].split())) for mode in ("standard", "linear")
    )
    for value, one, other in zip(values, standard, linear, strict=True):
        # Printed to a tenth of a percent, all three.
        assert value == pytest.approx(one - other, abs=0.151)
