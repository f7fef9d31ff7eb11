"""The finished study: every file is there, and the tables agree with the raw evaluations.

The tables are recomputed here by other means: plain loops over the JSON and CSV files that the
evaluations wrote, and the definitions of docs/protocol.md written out.
"""

import csv
import hashlib
import statistics
import subprocess
import sys

import pytest
import yaml
from conftest import read_json
from safetensors.numpy import load_file
from small_study import CONTROL, MODEL, RANDOM_TASK, SEED, TASKS

from tangent.config.load import load_config

MODES = ("standard", "posthoc", "linear")
RANDOM = f"{MODEL}-random"
TASKS_OF = {MODEL: TASKS, RANDOM: (RANDOM_TASK,)}


def table(results, name):
    with open(results / "tables" / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def select(rows, **wanted):
    return [row for row in rows if all(row[key] == str(value) for key, value in wanted.items())]


def one(rows, **wanted):
    found = select(rows, **wanted)
    assert len(found) == 1, (wanted, found)
    return found[0]


def test_every_file_is_there(results):
    names = ["config.yaml", "report/index.html"]
    names += [f"tables/table{n}.{suffix}" for n in (1, 2, 3) for suffix in ("md", "tex")]
    names += [
        f"tables/{name}.csv"
        for name in (
            *("single_task", "alpha_sweep", "addition", "negation", "disentanglement"),
            *("eigenfunctions", "random_init", "claims", "comparison", "outcomes"),
            *("subsets", "per_task_alpha", "analogies"),
        )
    ]
    figures = (*(f"figure{n}" for n in (2, 3, 5, 6)), "subsets", "task_differences")
    names += [f"figures/{name}.{suffix}" for name in figures for suffix in ("svg", "pdf", "png")]
    for training in ("standard", "linear"):
        folder = f"finetuned/{MODEL}/{training}/shapes/seed{SEED}"
        names += [f"{folder}/{name}" for name in ("encoder.safetensors", "log.csv")]
        names += [f"{folder}/metrics.json"]
        assert list((results / folder / "events").iterdir())
        assert not (results / folder / "state.pt").exists()
    for name in names:
        assert (results / name).stat().st_size > 0, name
    assert "http://" not in (results / "report" / "index.html").read_text().replace(
        "http://www.w3.org", ""
    )


def test_every_job_has_a_log_and_a_benchmark(results):
    evaluated = {p.parent.relative_to(results) for p in results.glob("addition/*/*/*/*/*.json")}
    for folder in evaluated:
        assert (results / "logs" / f"{folder}.log").exists()
        assert (results / "benchmarks" / f"{folder}.tsv").exists()


def test_the_configuration_is_kept_and_says_what_was_asked(finished, results):
    asked = yaml.safe_load((finished.folder / "config.yaml").read_text(encoding="utf-8"))
    kept = yaml.safe_load((results / "config.yaml").read_text(encoding="utf-8"))
    assert kept == load_config(asked).model_dump(mode="json", exclude={"extends"})


def test_provenance_names_inputs_by_content(finished, results):
    result = read_json(results / f"addition/{MODEL}/linear/sum/seed{SEED}/result.json")
    inputs = result["provenance"]["inputs"]
    assert any("alpha.json" in name for name in inputs)
    for name, digest in inputs.items():
        path = finished.folder / name
        if path.parent.parent.name == "32px":  # splits of data sets say what they hold
            splits = read_json(path.parent / "dataset.json")["splits"]
            assert digest == f"content:{splits[path.stem]['sha256']}"
        else:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert result["provenance"]["code"] and result["provenance"]["settings"]


def test_single_task_table(results):
    rows = table(results, "single_task")
    expected = 0
    for model, tasks in TASKS_OF.items():
        zero_shot = read_json(results / f"zero_shot/{model}/seed{SEED}/zero_shot.json")["tasks"]
        for split in ("validation", "test"):
            for task in (*tasks, CONTROL):
                row = one(rows, model=model, mode="zero_shot", task=task, split=split)
                assert float(row["accuracy"]) == zero_shot[task][split]["accuracy"]
                expected += 1
            for mode in MODES:
                for task in tasks:
                    folder = results / f"single_task/{model}/{mode}/{task}/seed{SEED}"
                    raw = read_json(folder / "accuracy.json")[split]
                    row = one(rows, model=model, mode=mode, task=task, split=split, seed=SEED)
                    assert float(row["accuracy"]) == raw["accuracy"]
                    assert int(row["n"]) == raw["n"] == (45 if split == "validation" else 40)
                    expected += 1
    assert len(rows) == expected


def single_task_accuracy(results, model, mode, task, split):
    path = results / f"single_task/{model}/{mode}/{task}/seed{SEED}/accuracy.json"
    return read_json(path)[split]["accuracy"]


def mean_of_ratios(results, model, mode, split, accuracies):
    return statistics.fmean(
        value / single_task_accuracy(results, model, mode, task, split)
        for task, value in accuracies.items()
    )


@pytest.mark.parametrize("mode", MODES)
def test_addition_table(results, mode):
    row = one(table(results, "addition"), model=MODEL, mode=mode, seed=SEED)
    raw = read_json(results / f"addition/{MODEL}/{mode}/sum/seed{SEED}/result.json")
    accuracies = {task: raw["tasks"][task]["accuracy"] for task in TASKS}
    assert float(row["absolute"]) == pytest.approx(statistics.fmean(accuracies.values()))
    normalized = mean_of_ratios(results, MODEL, mode, "test", accuracies)
    assert float(row["normalized"]) == pytest.approx(normalized)

    sweep = select(table(results, "alpha_sweep"), model=MODEL, mode=mode, operation="addition")
    assert {row["split"] for row in sweep} == {"validation"}
    scores = {}
    for alpha in (0.0, 0.5, 1.0):
        points = [row for row in sweep if float(row["alpha"]) == alpha]
        validation = {row["task"]: float(row["accuracy"]) for row in points}
        assert set(validation) == set(TASKS)
        scores[alpha] = mean_of_ratios(results, MODEL, mode, "validation", validation)
    best = max(scores.values())
    assert float(row["alpha"]) == min(a for a, score in scores.items() if score >= best - 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_negation_table(results, mode):
    zero_shot = read_json(results / f"zero_shot/{MODEL}/seed{SEED}/zero_shot.json")["tasks"]
    rows = table(results, "negation")
    sweep = select(table(results, "alpha_sweep"), model=MODEL, mode=mode, operation="negation")
    for task in TASKS:
        row = one(rows, model=MODEL, mode=mode, task=task, seed=SEED)
        raw = read_json(results / f"negation/{MODEL}/{mode}/{task}/seed{SEED}/result.json")
        for column in ("alpha", "target", "control", "control_pretrained"):
            assert float(row[column]) == raw[column]
        assert float(row["control_pretrained"]) == zero_shot[CONTROL]["test"]["accuracy"]

        mine = [point for point in sweep if point["target"] == task]
        allowed = 0.95 * zero_shot[CONTROL]["validation"]["accuracy"]
        targets, controls = (
            {float(point["alpha"]): float(point["accuracy"]) for point in select(mine, task=name)}
            for name in (task, CONTROL)
        )
        assert sorted(targets) == sorted(controls) == [0.0, 0.5, 1.0]
        admissible = [alpha for alpha in targets if controls[alpha] >= allowed]
        lowest = min(targets[alpha] for alpha in admissible)
        assert float(row["alpha"]) == min(a for a in admissible if targets[a] == lowest)


@pytest.mark.parametrize("mode", MODES)
def test_heat_maps(results, mode):
    folder = results / f"disentanglement/{MODEL}/{mode}/shapes/counting/seed{SEED}"
    with open(folder / "error.csv", newline="", encoding="utf-8") as file:
        raw = list(csv.DictReader(file))
    rows = select(table(results, "disentanglement"), model=MODEL, mode=mode)
    assert len(rows) == len(raw) == 9
    for point in raw:
        alphas = {"alpha_1": float(point["alpha_1"]), "alpha_2": float(point["alpha_2"])}
        row = next(r for r in rows if all(float(r[k]) == v for k, v in alphas.items()))
        total = float(point["error_1"]) + float(point["error_2"])
        assert float(row["error"]) == pytest.approx(total)
        assert 0 <= total <= 2
        if not any(alphas.values()):
            assert total == 0


def looked_up(finished, results, mode, coefficients, task):
    """Test accuracy at θ0 + Σ α τ from the stored features and products, with numpy alone."""
    place = f"{task}/seed{SEED}/test.safetensors"
    features = load_file(results / f"features/{MODEL}/initial/{place}")["features"]
    products = load_file(results / f"products/{MODEL}/{mode}/{place}")
    head = load_file(results / f"heads/{MODEL}/{task}/head.safetensors")["weight"]
    data = finished.folder / "resources" / "datasets" / "32px" / task / "test.safetensors"
    edited = features + sum(alpha * products[name] for name, alpha in coefficients.items())
    return float(((edited @ head.T).argmax(axis=1) == load_file(data)["labels"]).mean())


@pytest.mark.parametrize("mode", ("posthoc", "linear"))
def test_other_combinations(finished, results, mode):
    rows = select(table(results, "subsets"), model=MODEL, mode=mode, seed=SEED)
    assert [row["subset"] for row in rows] == [*TASKS, "+".join(TASKS)]
    addition = one(table(results, "addition"), model=MODEL, mode=mode)
    assert all(rows[-1][name] == addition[name] for name in ("alpha", "absolute", "normalized"))
    for task, row in zip(TASKS, rows, strict=False):
        accuracy = looked_up(finished, results, mode, {task: float(row["alpha"])}, task)
        assert float(row["absolute"]) == pytest.approx(accuracy)
    rows = select(table(results, "per_task_alpha"), model=MODEL, mode=mode, seed=SEED)
    assert [row["task"] for row in rows] == list(TASKS)
    alphas = {row["task"]: float(row["alpha"]) for row in rows}
    for row in rows:
        assert row["shared_alpha"] == addition["alpha"]
        accuracy = looked_up(finished, results, mode, alphas, row["task"])
        assert float(row["accuracy"]) == pytest.approx(accuracy)
    assert table(results, "analogies") == []

    choices = read_json(results / f"combinations/{MODEL}/{mode}/seed{SEED}/choices.json")
    inputs = choices["provenance"]["inputs"]
    assert any(name.endswith("validation.safetensors") for name in inputs)
    assert not any(name.endswith("test.safetensors") for name in inputs)
    text = (results / "report" / "index.html").read_text(encoding="utf-8")
    assert 'id="subsets"' in text and 'id="per-task-alpha"' in text


def test_a_study_without_other_combinations_plans_none(study):
    config = yaml.safe_load((study.folder / "config.yaml").read_text(encoding="utf-8"))
    study.write("config.yaml", config | {"combinations": {}})
    _, rules = study.plan("--forceall")
    assert not {"validate_combinations", "evaluate_combinations"} & set(rules)
    assert (rules["collect_table"], rules["plot"]) == (11, 7)
    assert study.job_counts("combinations") == {"combinations": 1, "total": 1}  # of no files


def test_random_initialization(results):
    rows = table(results, "random_init")
    for mode in MODES:
        raw = read_json(results / f"addition/{RANDOM}/{mode}/sum/seed{SEED}/result.json")
        row = one(rows, initialization="random", mode=mode)
        assert float(row["absolute"]) == pytest.approx(raw["absolute"])
        assert float(row["normalized"]) == pytest.approx(raw["normalized"])


def test_the_report_and_the_papers_tables_show_the_numbers(results):
    page = (results / "report" / "index.html").read_text(encoding="utf-8")
    text = (results / "tables" / "table1.md").read_text(encoding="utf-8")
    for mode in MODES:
        absolute = float(one(table(results, "addition"), model=MODEL, mode=mode)["absolute"])
        assert f"{100 * absolute:.1f}" in text
        assert f"{100 * absolute:.1f}" in page


def test_the_headline_is_the_report_task_addition_and_all_claims(finished, results):
    command = [sys.executable, "-m", "scripts", "headline", "--config", "config.yaml"]
    answer = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert str(results / "report" / "index.html") in answer.stdout
    assert (results / "tables" / "table1.md").read_text(encoding="utf-8").strip() in answer.stdout
    said = " ".join(answer.stdout.split())
    for row in table(results, "claims"):
        assert row["statement"].split(":")[0][:30] in said
    assert max(len(line) for line in answer.stdout.partition("\n\n**")[0].splitlines()) <= 100
