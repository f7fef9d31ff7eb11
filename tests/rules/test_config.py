"""The configuration is checked before anything runs, and every mistake has a readable answer."""

import copy
import re

import numpy as np
import pytest
import yaml
from config_mistakes import MISTAKES
from snakemake.utils import update_config
from workspace import ROOT

from tangent.config.load import load_config
from tangent.jobs.errors import UserError


@pytest.fixture
def demo():
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def problems(mapping):
    with pytest.raises(UserError) as caught:
        load_config(mapping)
    assert str(caught.value) == "\n".join(caught.value.args)
    return [problem.removeprefix("config.yaml: ") for problem in caught.value.args]


def test_the_demo_and_its_overlay_are_valid(demo):
    config = load_config(demo)
    assert config.all_models == ["demo-vit", "demo-vit-random"]
    overlay = yaml.safe_load((ROOT / "configs" / "demo-seeds.yaml").read_text(encoding="utf-8"))
    assert load_config(demo | overlay).seeds == [0, 1, 2]


def test_models_from_random_weights_have_settings_of_their_own(demo):
    config = load_config(demo)
    random = config.random_initialization
    assert not config.is_random("demo-vit") and config.is_random("demo-vit-random")
    assert config.base_model("demo-vit-random") == "demo-vit"
    assert config.tasks_of("demo-vit-random") == random.tasks != config.tasks
    assert config.epochs_of("demo-vit-random", random.tasks[0]) == random.epochs
    rate = config.learning_rate_of("demo-vit-random", "linear")
    assert rate == random.learning_rate["linear"]
    assert (
        config.learning_rate_of("demo-vit", "linear") == config.finetuning.learning_rate["linear"]
    )
    assert set(config.eigenfunction_tasks_of("demo-vit-random")) <= set(random.tasks)


def test_kernels_are_of_some_logits_or_of_all(demo):
    for logits in (1, 30, "all"):
        demo["eigenfunctions"]["logits"] = logits
        assert load_config(demo).eigenfunctions.logits == logits


def test_a_result_cannot_change_its_configuration(demo):
    config = load_config(demo)
    with pytest.raises(ValueError, match="frozen"):
        config.finetuning.batch_size = 1


def test_a_training_has_a_number_a_grid_or_its_models_own_rate(demo):
    demo["finetuning"]["learning_rate"] = {"standard": 1.0e-3, "linear": {"grid": [0.3, 0.1, 0.2]}}
    config = load_config(demo)
    assert config.learning_rate_of("demo-vit", "standard") == 1.0e-3
    assert config.learning_rate_of("demo-vit", "linear") is None
    assert config.rate_grid("demo-vit", "linear") == [0.1, 0.2, 0.3]
    # Models that start at random have numbers of their own.
    assert config.searches == [("demo-vit", "linear")]
    assert config.tuning_seed == config.seeds[0]
    demo["finetuning"]["tuning_seed"] = 17
    assert load_config(demo).tuning_seed == 17
    demo["finetuning"]["models"] = {
        "demo-vit": {"learning_rate": {"standard": 0.5, "linear": 0.25}}
    }
    config = load_config(demo)
    assert config.searches == [] and config.learning_rate_of("demo-vit", "linear") == 0.25
    assert config.learning_rate_of("demo-vit-random", "linear") != 0.25


def test_published_weights_have_no_say_in_a_learning_rate(demo):
    demo["finetuning"]["learning_rate"]["linear"] = {"grid": [0.1, 0.2, 0.3]}
    entry = {"source": "file", "path": "a", "sha256": "0" * 64}
    first, *others = demo["tasks"]
    demo["published"] = {"demo-vit": {"linear": {first: entry}}}
    config = load_config(demo)
    assert config.tuned_tasks("demo-vit", "linear") == others and config.searches
    demo["published"]["demo-vit"]["linear"] = dict.fromkeys(demo["tasks"], entry)
    config = load_config(demo)
    assert config.searches == [] and config.rate_grid("demo-vit", "linear") == []


def test_a_tasks_own_numbers_win(demo):
    demo["finetuning"]["learning_rate"]["linear"] = {"grid": [0.1, 0.2, 0.3]}
    demo["finetuning"]["models"] = {"demo-vit": {"accumulation_steps": 2}}
    own = {"epochs": 9, "learning_rate": 0.5, "weight_decay": 0.0, "warmup_steps": 0}
    demo["finetuning"]["tasks"] = {"shapes": own, "letters": {"learning_rate": {"linear": 0.25}}}
    del demo["finetuning"]["epochs"]["shapes"]
    config = load_config(demo)

    def rate(training, task, model="demo-vit"):
        return config.learning_rate_of(model, training, task)

    assert rate("standard", "shapes") == rate("linear", "shapes") == 0.5
    assert rate("linear", "letters") == 0.25 and rate("linear", "signs") is None
    assert rate("standard", "letters") == demo["finetuning"]["learning_rate"]["standard"]
    # The grid's rate is chosen by the others.
    assert config.tuned_tasks("demo-vit", "linear") == demo["tasks"][2:]
    assert config.rate_grid("demo-vit", "linear") == [0.1, 0.2, 0.3]
    assert config.epochs_of("demo-vit", "shapes") == 9
    assert config.finetuning_value("weight_decay", "shapes") == 0
    assert config.finetuning_value("warmup_steps", "shapes") == 0
    assert config.finetuning_value("warmup_steps", "letters") == 20
    # Random twins have rates and epochs of their own.
    random = demo["random_initialization"]
    twins = rate("linear", "shapes", "demo-vit-random")
    assert twins == random["learning_rate"]["linear"]
    assert config.epochs_of("demo-vit-random", "shapes") == random["epochs"]
    random["epochs"] = None
    assert load_config(demo).epochs_of("demo-vit-random", "shapes") == 9
    demo["finetuning"]["tasks"] = {task: {"learning_rate": 0.5} for task in demo["tasks"]}
    demo["finetuning"]["epochs"]["shapes"] = 1
    assert load_config(demo).searches == []


def test_the_study_of_learning_rates_has_the_demos_weights_at_every_rate(demo):
    path = ROOT / "configs" / "demo-rates.yaml"
    overlay = yaml.safe_load(path.read_text(encoding="utf-8"))
    update_config(demo, overlay)
    config = load_config(demo)
    for model in config.models:
        assert config.pretrained[model] == config.pretrained["demo-vit"]
        for training in ("standard", "linear"):
            assert config.learning_rate_of(model, training) == float(
                model.removeprefix("demo-vit-")
            )
    path = ROOT / "configs" / "demo-evidence.yaml"
    searched = yaml.safe_load(path.read_text(encoding="utf-8"))["finetuning"]
    rates = [config.learning_rate_of(model, "linear") for model in config.models]
    assert searched["learning_rate"] == dict.fromkeys(("standard", "linear"), {"grid": rates})
    assert config.seeds == [searched["tuning_seed"]]


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_answered_with_key_and_remedy(demo, message):
    for path, value in MISTAKES[message].items():
        *parents, key = path.split(".")
        section = demo
        for parent in parents:
            section = section[parent]
        section[key] = value
    found = problems(demo)
    assert any(problem.startswith(message) or message in problem for problem in found), found


def test_tasks_of_another_kind_than_the_model_reads_are_refused(demo):
    text = yaml.safe_load((ROOT / "configs" / "demo-t5.yaml").read_text(encoding="utf-8"))
    datasets = demo["datasets"] | text["datasets"]
    found = problems(demo | {"control": "kinds", "datasets": datasets})
    assert found == [
        "models: 'demo-vit' reads images, but the task 'kinds' is about texts: choose tasks and a "
        "control task about images"
    ]


def test_a_grid_of_heat_maps_holds_centre_and_border_of_the_search_box(demo):
    """By numpy's own grid; a number of points that a message names is accepted."""
    grid = demo["disentanglement"]
    for minimum, maximum in ((-3.0, 3.0), (-2.0, 1.0), (-1.0, 1.0), (-1.2, 3.0), (-0.5, 3.0)):
        for points in range(2, 30):
            grid |= {"minimum": minimum, "maximum": maximum, "points": points}
            values = np.linspace(minimum, maximum, points)
            holds = all(np.isclose(values, wanted, atol=1e-9).any() for wanted in (-1, 0, 1))
            if holds:
                load_config(demo)
                continue
            (problem,) = problems(demo)
            if named := re.search(r"; (\d+) points do$", problem):
                grid["points"] = int(named[1])
                load_config(demo)


def test_every_problem_is_listed_at_once(demo):
    broken = copy.deepcopy(demo)
    broken["finetuning"]["epoch"] = 3
    broken["control"] = "shapes"
    broken["seeds"] = [1, 1]
    assert len(problems(broken)) == 3
    broken["alphas"]["points"] = "many"
    del broken["negation"]
    found = problems(broken)
    assert "negation is missing" in found
    assert any(problem.startswith("alphas.points must be a whole number") for problem in found)


def test_a_file_that_is_no_mapping_is_refused():
    assert problems([]) == ["the file must be a mapping of keys, not []"]


def test_a_misspelt_task_or_model_is_one_problem(demo):
    tasks = ["shape" if task == "shapes" else task for task in demo["tasks"]]
    assert problems(demo | {"tasks": tasks}) == [
        "tasks: 'shape' is not in datasets; did you mean 'shapes'?"
    ]
    assert problems(demo | {"models": ["demo-vti"]}) == [
        "models: 'demo-vti' is not in pretrained; did you mean 'demo-vit'?"
    ]
