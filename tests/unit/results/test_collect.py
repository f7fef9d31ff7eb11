"""The tidy tables against the raw files, read here by other code."""

import csv
import json
from statistics import geometric_mean, mean

import pytest
from synthetic_study import make_tables, write_study

from tangent.evaluation import outcomes
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_csv, write_text
from tangent.report.build import caption_of, read_configuration
from tangent.report.figures import emergence, figure6
from tangent.results.collect import collect
from tangent.results.columns import PAGE, TABLES, page, raw_results
from tangent.results.read_tables import derived_table, load_tables

MODES = ("standard", "posthoc", "linear")


def read(path):
    return json.loads(path.read_text())


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def rows_of(study, name):
    with open(study / "tables" / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def one(rows, **keys):
    found = [row for row in rows if all(row[key] == str(value) for key, value in keys.items())]
    assert len(found) == 1, (keys, len(found))
    return found[0]


def test_the_page_of_columns_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_single_task_equals_the_evaluations(study, config):
    rows = rows_of(study, "single_task")
    for model in config.all_models:
        for seed in config.seeds:
            zero_shot = read(study / f"zero_shot/{model}/seed{seed}/zero_shot.json")["tasks"]
            for task in config.tasks_of(model):
                for mode in ("zero_shot", *MODES):
                    path = study / f"single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json"
                    result = zero_shot[task] if mode == "zero_shot" else read(path)
                    for split in ("validation", "test"):
                        row = one(rows, model=model, mode=mode, task=task, seed=seed, split=split)
                        assert float(row["accuracy"]) == result[split]["accuracy"]
                        assert int(row["n"]) == result[split]["n"]
            one(rows, model=model, mode="zero_shot", task=config.control, seed=seed, split="test")
    tasks, seeds = len(config.tasks), len(config.seeds)
    small = len(config.random_initialization.tasks)
    # Four modes, and zero-shot on the control task, on two splits.
    assert len(rows) == 2 * seeds * (2 * (4 * tasks + 1) + 4 * small + 1)


def test_addition_at_several_rates_stands_beside_validation_accuracy(study, config):
    rows = rows_of(study, "rate_sensitivity")
    single, added = rows_of(study, "single_task"), rows_of(study, "addition")
    assert len(rows) == 2 * 3 * len(config.seeds)
    expected = {
        ("demo-vit", "standard"): "0.001", ("demo-vit", "posthoc"): "0.001",
        ("demo-vit", "linear"): "0.003", ("other_vit", "standard"): "0.0001",
        ("other_vit", "posthoc"): "0.0001", ("other_vit", "linear"): "0.01",
    }  # fmt: skip
    for row in rows:
        place = {key: row[key] for key in ("model", "mode", "seed")}
        assert row["rate"] == expected[row["model"], row["mode"]]
        sums = one(added, **place)
        assert all(row[name] == sums[name] for name in ("alpha", "absolute", "normalized"))
        accuracies = [
            float(one(single, **place, split="validation", task=task)["accuracy"])
            for task in config.tasks
        ]
        assert float(row["single_task"]) == pytest.approx(mean(accuracies))


def test_learning_rates_are_compared_image_by_image(tmp_path):
    study = write_study(tmp_path)
    config = read_configuration(study / "config.yaml")
    make_tables(study, ["learning_rates"])
    rows = rows_of(study, "learning_rates")
    assert len(rows) == 3 * (len(config.tasks) + 1)
    for row in (row for row in rows if row["task"] == "mean"):
        folder, squares, accuracies = study / "learning_rates" / row["model"] / "linear", [], []
        for task in config.tasks:
            results = [
                read(folder / rate / task / "seed0" / "accuracy.json")
                for rate in (row["rate"], "0.001")
            ]
            right, best = (outcomes.decode(result["outcomes"], 200) for result in results)
            mine = one(rows, model=row["model"], rate=row["rate"], task=task)
            # Of n differences of which p are 1 and q are -1: ((p + q) - (p - q)²/n) / (n - 1) / n.
            p, q = int((right & ~best).sum()), int((best & ~right).sum())
            squares.append((p + q - (p - q) ** 2 / 200) / 199 / 200)
            accuracies.append(right.mean())
            assert float(mine["se_difference"]) == pytest.approx(squares[-1] ** 0.5)
            assert float(mine["accuracy"]) == right.mean() and mine["n"] == "200"
        assert float(row["accuracy"]) == pytest.approx(mean(accuracies))
        expected = sum(squares) ** 0.5 / len(config.tasks)
        assert float(row["se_difference"]) == pytest.approx(expected)
        assert row["chosen"] == str(row["rate"] == "0.001")


def test_alpha_sweep_keeps_target_and_control_apart(study, config):
    rows = rows_of(study, "alpha_sweep")
    negation = [row for row in rows if row["operation"] == "negation"]
    assert {row["target"] for row in rows if row["operation"] == "addition"} == {"all"}
    assert {row["split"] for row in rows} == {"validation"}
    for task in config.tasks:
        assert {row["task"] for row in negation if row["target"] == task} == {task, config.control}
    path = study / "alpha/demo-vit/linear/letters/seed1/sweep.csv"
    with open(path, newline="") as file:
        raw = list(csv.DictReader(file))
    mine = [
        row
        for row in negation
        if (row["model"], row["mode"], row["seed"], row["target"])
        == ("demo-vit", "linear", "1", "letters")
    ]
    assert [(float(r["alpha"]), r["task"], float(r["accuracy"])) for r in raw] == [
        (float(r["alpha"]), r["task"], float(r["accuracy"])) for r in mine
    ]


def test_addition_is_the_mean_over_its_tasks(study, config):
    per_task, single = rows_of(study, "addition_tasks"), rows_of(study, "single_task")
    rows = rows_of(study, "addition")
    assert {row["model"] for row in rows} == set(config.models)
    for row in rows:
        keys = {key: row[key] for key in ("model", "mode", "seed")}
        mine = [r for r in per_task if all(r[key] == value for key, value in keys.items())]
        assert sorted(r["task"] for r in mine) == sorted(config.tasks)
        assert float(row["absolute"]) == pytest.approx(mean(float(r["accuracy"]) for r in mine))
        normalized = mean(float(r["normalized"]) for r in mine)
        assert float(row["normalized"]) == pytest.approx(normalized)
        for r in mine:
            own = one(single, **keys, task=r["task"], split="test")
            # The made-up single-task accuracies are rounded to whole images.
            ratio = float(r["accuracy"]) / float(own["accuracy"])
            assert ratio == pytest.approx(float(r["normalized"]), abs=0.003)


def test_negation_equals_the_results(study, config):
    rows = rows_of(study, "negation")
    assert len(rows) == 2 * 3 * len(config.tasks) * len(config.seeds)
    for row in rows[::7]:
        path = "negation/{model}/{mode}/{task}/seed{seed}/result.json".format(**row)
        result = read(study / path)
        for column in ("alpha", "target", "control", "control_pretrained", "target_pretrained"):
            assert float(row[column]) == result[column]
        assert float(row["control_threshold"]) == config.negation.control_threshold


def test_random_init_compares_the_same_tasks(study, config):
    single = rows_of(study, "single_task")
    tasks = config.random_initialization.tasks
    rows = rows_of(study, "random_init")
    assert {row["model"] for row in rows} == {"demo-vit", "demo-vit-random"}
    for row in rows:
        keys = {"model": row["model"], "seed": row["seed"], "split": "test"}
        for column, mode in (("single_task", row["mode"]), ("zero_shot", "zero_shot")):
            accuracies = [
                float(one(single, **keys, mode=mode, task=task)["accuracy"]) for task in tasks
            ]
            assert float(row[column]) == pytest.approx(mean(accuracies))
        if row["initialization"] == "pretrained":
            assert row["absolute"] == row["normalized"] == row["tasks_added"] == ""
        else:
            path = "addition/demo-vit-random/{mode}/sum/seed{seed}/result.json".format(**row)
            assert float(row["absolute"]) == pytest.approx(read(study / path)["absolute"])
            assert float(row["tasks_added"]) == len(tasks)


def test_random_init_has_the_pretrained_sum_where_the_tasks_are_the_same(tables, config):
    # Another order of the same tasks.
    single_task, addition = tables["single_task"][::-1], tables["addition"]
    tasks = [*config.random_initialization.tasks, config.control]
    smaller = single_task[single_task.task.isin(tasks)]
    random_init = derived_table("random_init", tables | {"single_task": smaller})
    pretrained = random_init[random_init.initialization == "pretrained"]
    expected = addition[addition.model == "demo-vit"]
    for row in pretrained.itertuples():
        (of,) = expected[(expected["mode"] == row.mode) & (expected.seed == row.seed)].absolute
        assert row.absolute == of


def test_disentanglement_and_energies_are_complete(study, config, tables):
    errors = tables["disentanglement"]
    assert len(errors) == 2 * 3 * len(config.disentanglement.pairs) * 3 * 13**2
    assert errors.error.between(0, 2).all()
    energies = tables["eigenfunctions"]
    random = energies[energies.model == "demo-vit-random"]
    assert set(random.task) == {"letters", "digits"}
    assert set(energies.split) == {"sample", "test"}
    assert len(tables["proposition1"]) == 2 * 3 * 11


def test_a_kernel_of_all_logits_keeps_its_name_up_to_the_figure(tmp_path):
    """Its spectrum may have the leading eigenvalues alone."""
    folder = write_study(tmp_path)
    configuration = folder / "config.yaml"
    text = configuration.read_text().replace("  logits: 3", "  logits: all")
    configuration.write_text(text)
    for path in [*folder.glob("eigenfunctions/**/*.csv")]:
        header, *lines = read_csv(path)
        place = header.index("logit")
        kept = [line for line in lines if line[place] == "0"]
        kept = kept[:10] if path.stem == "spectrum" else kept
        write_csv(path, header, [[*line[:place], "all", *line[place + 1 :]] for line in kept])
    config = read_configuration(configuration)
    kernels = ["eigenfunctions", "eigenvalues"]
    tables = make_tables(folder, [*TABLES["random_init"].tables, *kernels, "random_init"])
    assert set(tables["eigenfunctions"].logit) == set(tables["eigenvalues"].logit) == {"all"}
    assert set(tables["eigenvalues"].component) == set(range(1, 11))
    figure6.draw(tables)
    caption = caption_of("figure6", config).shows
    assert "One kernel of all the task's output logits together" in caption
    assert "drawn with the seed" not in caption


@pytest.mark.parametrize(
    ("name", "path", "content", "message"),
    [
        ("addition", "addition/m/linear/sum/seed0/result.json", None, "does not exist"),
        ("addition", "addition/m/linear/sum/seed0/result.json", "{", "not valid JSON"),
        ("addition", "result.json", '{"model": "m", "alpha": 1}', "lacks 'mode'"),
        ("single_task", "result.json", '{"model": "m", "seed": 0}', "lacks 'task'"),
        ("single_task", "result.json", "[]", "lacks .*another version. Delete it"),
        ("alpha_sweep", "sweep.csv", "", "lacks 'model'"),
        ("alpha_sweep", "sweep.csv", "model,mode\na,b\n", "lacks 'operation'"),
        ("alpha_sweep", "sweep.csv", "model,mode\na\n", "cut short"),
    ],
)
def test_a_missing_or_damaged_result_is_named(tmp_path, name, path, content, message):
    if content is not None:
        write_text(tmp_path / path, content)
    with pytest.raises(UserError, match=message) as error:
        collect(name, [tmp_path / path])
    assert path in str(error.value)


def test_a_table_is_read_from_what_the_configuration_implies(study, config):
    """Leftovers of another configuration stay out, and every file is of the study."""
    for name in ("addition", "negation", "outcomes", "eigenvalues"):
        paths = raw_results(config, name)
        assert len(paths) == len(set(paths)) and all((study / path).exists() for path in paths)
    assert raw_results(config, "addition") == [
        f"addition/{model}/{mode}/sum/seed{seed}/result.json"
        for model in config.models
        for mode in MODES
        for seed in config.seeds
    ]


def test_missing_or_foreign_tables_and_configurations(tmp_path):
    with pytest.raises(UserError, match="addition.csv does not exist"):
        load_tables(tmp_path, ["addition"])
    (tmp_path / "addition.csv").write_text("model,mode\n")
    with pytest.raises(UserError, match="has the columns model, mode, expected"):
        load_tables(tmp_path, ["addition"])
    (tmp_path / "addition.csv").write_text("")
    with pytest.raises(UserError, match="cannot be read"):
        load_tables(tmp_path, ["addition"])
    with pytest.raises(UserError, match="config.yaml does not exist"):
        read_configuration(tmp_path / "config.yaml")
    for text in ("a: [", "- a list", "study: demo"):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(UserError, match="config.yaml"):
            read_configuration(tmp_path / "config.yaml")


def test_emergence_equals_the_results_of_each_checkpoint(study, config):
    """From the raw files, by loops."""
    rows = rows_of(study, "emergence")
    assert len(rows) == 2 * 3 * len(config.seeds)
    assert [int(row["step"]) for row in rows] == sorted(int(row["step"]) for row in rows)
    for row in rows:
        model, mode, seed = row["model"], row["mode"], row["seed"]
        assert int(row["step"]) == config.emergence.steps[model]
        zero_shot = read(study / f"zero_shot/{model}/seed{seed}/zero_shot.json")["tasks"]
        single = [
            read(study / f"single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json")
            for task in config.tasks
        ]
        added = read(study / f"addition/{model}/{mode}/sum/seed{seed}/result.json")
        errors = []
        for path in study.glob(f"disentanglement/{model}/{mode}/*/*/seed{seed}/error.csv"):
            header, *lines = read_csv(path)
            points = [dict(zip(header, line, strict=True)) for line in lines]
            inside = [
                float(p["error"])
                for p in points
                if max(abs(float(p["alpha_1"])), abs(float(p["alpha_2"]))) <= 1
            ]
            assert len(inside) == 25
            errors += inside
        ratios = []
        for path in study.glob(f"eigenfunctions/{model}/*/seed{seed}/energies.csv"):
            header, *lines = read_csv(path)
            means = {}
            for line in lines:
                point = dict(zip(header, line, strict=True))
                if point["split"] == "test":
                    means.setdefault(point["dataset"], []).append(float(point["energy"]))
            means = {name: mean(values) for name, values in means.items()}
            ratios.append(means.pop(path.parents[1].name) / mean(means.values()))
        assert len(ratios) == len(config.eigenfunctions.tasks)
        expected = {
            "zero_shot": mean(zero_shot[task]["test"]["accuracy"] for task in config.tasks),
            "single_task": mean(one["test"]["accuracy"] for one in single),
            "absolute": added["absolute"],
            "normalized": added["normalized"],
            "disentanglement": mean(errors),
            "localization": geometric_mean(ratios),
        }
        found = {name: float(row[name]) for name in expected}
        assert found == pytest.approx(expected)


def test_a_checkpoint_without_heat_maps_or_kernels_has_no_such_numbers(tables, config):
    errors, energies = tables["disentanglement"], tables["eigenfunctions"]
    left = tables | {
        "disentanglement": errors[errors.model == "demo-vit"],
        "eigenfunctions": energies[energies.model == "other_vit"],
    }
    table = derived_table("emergence", left, **TABLES["emergence"].settings(config))
    missing = table.isna().groupby(table.model).mean().T
    assert missing["other_vit"]["disentanglement"] == 1 == missing["demo-vit"]["localization"]
    assert missing.sum().sum() == 2
    emergence.draw({"emergence": table})
