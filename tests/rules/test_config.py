"""The configuration is checked before anything runs, and every mistake has a readable answer."""

import copy
import re

import numpy as np
import pytest
import yaml
from snakemake.utils import update_config
from workspace import ROOT

from tangent.config.load import ConfigError, load_config


@pytest.fixture
def demo():
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def problems(mapping):
    with pytest.raises(ConfigError) as caught:
        load_config(mapping)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.removeprefix("config.yaml: ") for problem in caught.value.problems]


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
    assert rate == random.learning_rate.linear
    assert config.learning_rate_of("demo-vit", "linear") == config.finetuning.learning_rate.linear
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
    demo["finetuning"]["learning_rate"] = {"standard": 1.0e-3, "linear": {"grid": [3.0, 1.0, 2.0]}}
    config = load_config(demo)
    assert config.learning_rate_of("demo-vit", "standard") == 1.0e-3
    assert config.learning_rate_of("demo-vit", "linear") is None
    assert config.rate_grid("demo-vit", "linear") == [1.0, 2.0, 3.0]
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
    demo["finetuning"]["learning_rate"]["linear"] = {"grid": [1.0, 2.0, 3.0]}
    entry = {"source": "file", "path": "a", "sha256": "0" * 64}
    first, *others = demo["tasks"]
    demo["published"] = {"demo-vit": {"linear": {first: entry}}}
    config = load_config(demo)
    assert config.trained_tasks("demo-vit", "linear") == others and config.searches
    demo["published"]["demo-vit"]["linear"] = dict.fromkeys(demo["tasks"], entry)
    config = load_config(demo)
    assert config.searches == [] and config.rate_grid("demo-vit", "linear") == []


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


MISTAKES = {
    "finetuning.learning_rate.linear.grid must have at least 3 entries, not [1.0, 2.0]": {
        "finetuning.learning_rate.linear": {"grid": [1.0, 2.0]}
    },
    "finetuning.learning_rate.standard.grid must list each rate once, not [1.0, 2.0, 1.0]": {
        "finetuning.learning_rate.standard": {"grid": [1.0, 2.0, 1.0]}
    },
    "finetuning.learning_rate.linear.grid[1] must be greater than 0": {
        "finetuning.learning_rate.linear": {"grid": [1.0, -2.0, 3.0]}
    },
    "finetuning.learning_rate.linear.grid is missing": {"finetuning.learning_rate.linear": {}},
    "finetuning.learning_rate.linear.gird is not a known key; did you mean "
    "finetuning.learning_rate.linear.grid?": {
        "finetuning.learning_rate.linear": {"grid": [1.0, 2.0, 3.0], "gird": [1.0]}
    },
    "finetuning.tuning_seed must be at least 0, not -1": {"finetuning.tuning_seed": -1},
    "random_initialization.learning_rate.linear must be a number, not {'grid': [1.0, 2.0, 3.0]}": {
        "random_initialization.learning_rate.linear": {"grid": [1.0, 2.0, 3.0]}
    },
    "rate_sensitivity.models: 'demo-vitt' is not in models; did you mean 'demo-vit'?": {
        "rate_sensitivity": {"models": ["demo-vit", "demo-vitt"]}
    },
    "rate_sensitivity.models: demo-vit is one point; a comparison needs two": {
        "rate_sensitivity": {"models": ["demo-vit"]}
    },
    "rate_sensitivity.models: 'demo-vit' has no finetuning.models.demo-vit.learning_rate": {
        "rate_sensitivity": {"models": ["demo-vit"]}
    },
    "rate_sensitivity.models: 'other' and 'demo-vit' are not the same weights": {
        "rate_sensitivity": {"models": ["demo-vit", "other"]},
        "pretrained.other": {"source": "file", "image_size": 32, "folder": "a", "sha256": "0" * 64},
    },
    "emergence.steps: 'demo-vitt' is not in models; did you mean 'demo-vit'?": {
        "emergence": {"steps": {"demo-vit": 100, "demo-vitt": 0}},
    },
    "emergence.steps: demo-vit is one checkpoint; a curve needs two": {
        "emergence": {"steps": {"demo-vit": 100}},
    },
    "emergence.steps: 'demo-vit' and 'other' are both at step 7; give each checkpoint its own": {
        "emergence": {"steps": {"demo-vit": 7, "other": 7}},
    },
    "emergence.steps.demo-vit must be": {
        "emergence": {"steps": {"demo-vit": -1, "other": 7}},
    },
    "finetuning.epoch is not a known key; did you mean finetuning.epochs?": {"finetuning.epoch": 3},
    "finetunig is not a known key; did you mean finetuning?": {"finetunig": {}},
    "learning_rate is not a known key; did you mean finetuning.learning_rate": {
        "learning_rate": 1.0
    },
    "pretrained.demo-vit.sha is not a known key; did you mean pretrained.demo-vit.sha256?": {
        "pretrained.demo-vit.sha": "0"
    },
    "finetuning.batch_size must be a whole number, not '128'": {"finetuning.batch_size": "128"},
    "finetuning.batch_size must be a whole number, not True": {"finetuning.batch_size": True},
    "finetuning.weight_decay must be a number, not True": {"finetuning.weight_decay": True},
    "finetuning.batch_size must be a whole number, not 12.5": {"finetuning.batch_size": 12.5},
    "as in 1.0e-4": {"finetuning.learning_rate.linear": "1e-4"},
    "finetuning.learning_rate.linear must be greater than 0": {
        "finetuning.learning_rate.linear": 0.0
    },
    "seeds[1] must be at least 0, not -1": {"seeds": [0, -1]},
    "seeds: 0 is listed 2 times; list it once": {"seeds": [0, 1, 0]},
    "seeds must be a list, not 0": {"seeds": 0},
    "models must have at least 1 entries, not []": {"models": []},
    "models: 'demo-vti' is not in pretrained; did you mean 'demo-vit'?": {"models": ["demo-vti"]},
    "architectures: 'demo-vti' is not in pretrained; did you mean 'demo-vit'?": {
        "architectures": {"demo-vti": "ViT"},
    },
    "tasks: 'shape' is not in datasets; did you mean 'shapes'?": {"tasks": ["shape", "letters"]},
    "datasets: 'nonsense' is not in the folder tangent/tasks": {
        "datasets.nonsense": {
            "sources": [{"source": "demo", "seed": 0}],
            "train_images": 99,
            "test_images": 9,
        }
    },
    "datasets.shapes.sources[0].source must be one of 'hub', 'folder', 'torchvision', 'demo', "
    "'demo_text', 'json_lines', 'package', 'synthetic', not 'hbu'": {
        "datasets.shapes.sources": [{"source": "hbu"}]
    },
    "datasets.shapes.sources[0].repository: 'mnist' is not a repository of the hub": {
        "datasets.shapes.sources": [{"source": "hub", "repository": "mnist", "revision": "main"}]
    },
    "datasets.shapes.sources[0].revison is not a known key; did you mean "
    "datasets.shapes.sources[0].revision?": {
        "datasets.shapes.sources": [{"source": "hub", "repository": "a/b", "revison": "main"}]
    },
    "datasets.shapes.sources[0].download is not a known key; known keys here: root, source": {
        "datasets.shapes.sources": [{"source": "folder", "root": "data", "download": True}]
    },
    "finetuning.accumulation_steps is not a known key; did you mean finetuning.warmup_steps or "
    "finetuning.models.NAME.accumulation_steps?": {"finetuning.accumulation_steps": 2},
    "datasets.shapes.sources must have at least 1 entries": {"datasets.shapes.sources": []},
    "finetuning.models: 'demo-vitt' is not in pretrained; did you mean 'demo-vit'?": {
        "finetuning.models": {"demo-vitt": {"accumulation_steps": 2}}
    },
    "finetuning.models.demo-vit: 100 accumulation steps on 2 GPUs are more parts": {
        "finetuning.models": {"demo-vit": {"accumulation_steps": 100, "processes": 2}}
    },
    "published.demo-vit.standard: 'shape' is not in tangent/tasks; did you mean 'shapes'?": {
        "published": {
            "demo-vit": {"standard": {"shape": {"source": "file", "path": "a", "sha256": "0" * 64}}}
        }
    },
    "pretrained.demo-vit.image_size must be at least 1, not 0": {
        "pretrained.demo-vit.image_size": 0
    },
    "pretrained.demo-vit.source must be one of 'file', 'open_clip', 'timm', 'package', "
    "'transformers', 'random', 'pretraining', not 'hub'": {"pretrained.demo-vit.source": "hub"},
    "probe.minimum (2) must not be greater than probe.maximum (1)": {
        "probe": {"minimum": 2.0, "maximum": 1.0}
    },
    "probe.own_classifier: 'demo-vitt' is not in pretrained; did you mean 'demo-vit'?": {
        "probe": {"own_classifier": {"demo-vitt": "shapes"}}
    },
    "probe.own_classifier: 'shape' is not in datasets; did you mean 'shapes'?": {
        "probe": {"own_classifier": {"demo-vit": "shape"}}
    },
    "probe.own_classifier: 'demo-vit' has no classifier of its own; leave it out": {
        "probe": {"own_classifier": {"demo-vit": "shapes"}}
    },
    "datasets.shapes.sources: the source 'demo_text' has texts, but the task is about images": {
        "datasets.shapes.sources": [{"source": "demo_text", "seed": 0}]
    },
    "pretrained.demo-vit.sha256: 'abc' is not a SHA-256: it has 64 hexadecimal digits": {
        "pretrained.demo-vit.sha256": "abc"
    },
    "pretraining.demo-vit.objective is missing": {"pretraining.demo-vit": {"tower": "vit"}},
    "pretraining.demo-vit.objective must be one of 'contrastive', ": {
        "pretraining.demo-vit.objective": "guessing"
    },
    "pretraining.demo-vit.tower must be one of 'vit' or 'convnext', not 'resnet'": {
        "pretraining.demo-vit.tower": "resnet"
    },
    "pretraining.demo-vit.image is not a known key; did you mean pretraining.demo-vit.images?": {
        "pretraining.demo-vit.image": 3
    },
    "pretraining.demo-vit: its 500 examples are fewer than one batch (batch_size: 512)": {
        "pretraining.demo-vit.images": 500
    },
    "pretrained.demo-vit.recipe: 'demo-vti' is not in pretraining; did you mean 'demo-vit'?": {
        "pretrained.demo-vit": {"source": "pretraining", "recipe": "demo-vti", "step": 0}
    },
    "pretrained.demo-vit.step: 4687 is beyond the schedule of pretraining.demo-vit, which has 4686 "
    "steps": {"pretrained.demo-vit": {"source": "pretraining", "recipe": "demo-vit", "step": 4687}},
    "pretrained.demo-vit.step must be at least 0, not -1": {
        "pretrained.demo-vit": {"source": "pretraining", "recipe": "demo-vit", "step": -1}
    },
    "emergence.steps.demo-vit: it says 90, but pretrained.demo-vit.step is 100": {
        "pretrained.demo-vit": {"source": "pretraining", "recipe": "demo-vit", "step": 100},
        "emergence": {"steps": {"demo-vit": 90, "another": 0}},
    },
    "control: 'shapes' is also in tasks": {"control": "shapes"},
    "tasks: 'shapes' is not in finetuning.epochs": {"finetuning.epochs": {"letters": 1}},
    "disentanglement.pairs[0] must have at least 2 entries": {
        "disentanglement.pairs": [["shapes"]]
    },
    "disentanglement.pairs[0]: a pair needs two different tasks": {
        "disentanglement.pairs": [["shapes", "shapes"]]
    },
    "disentanglement.pairs[1]: the pair letters, shapes is there already": {
        "disentanglement.pairs": [["shapes", "letters"], ["letters", "shapes"]]
    },
    "disentanglement.minimum (3.0) must be less than": {"disentanglement.minimum": 3.0},
    "disentanglement.points: 20 points from -3.0 to 3.0 do not hold 0 and ±1, so the claims' mean "
    "of ξ would not be over the search box [-1, 1]²; 25 points do": {"disentanglement.points": 20},
    "disentanglement.points: 13 points from 0.0 to 3.0 do not hold 0 and ±1, so the claims' mean "
    "of ξ would not be over the search box [-1, 1]²; 25 points from -3 to 3 do": {
        "disentanglement.minimum": 0.0
    },
    "eigenfunctions.tasks: 'glyphs' is not in tasks": {
        "eigenfunctions.tasks": ["glyphs", "letters"]
    },
    "eigenfunctions.logits must be a whole number of at least 1, or `all`, not 0": {
        "eigenfunctions.logits": 0
    },
    "eigenfunctions.logits must be a whole number of at least 1, or `all`, not 'some'": {
        "eigenfunctions.logits": "some"
    },
    "eigenfunctions.components: 101 eigenfunctions cannot": {"eigenfunctions.components": 101},
    "combinations.models: 'demo-vit-random' is not in models; did you mean 'demo-vit'?": {
        "combinations.models": ["demo-vit-random"]
    },
    "combinations.subsets_per_size must be at least 1, not 0": {"combinations.subsets_per_size": 0},
    "combinations.analogies[0] must have at least 4 entries": {
        "combinations.analogies": [["shapes", "letters", "photos"]]
    },
    "combinations.analogies[0]: 'glyphs' is not in tasks": {
        "combinations.analogies": [["shapes", "letters", "photos", "glyphs"]]
    },
    "combinations.analogies[0]: an analogy needs four different tasks, not shapes, letters": {
        "combinations.analogies": [["shapes", "letters", "shapes", "digits"]]
    },
    "combinations.analogies[1]: the analogy shapes, letters, photos, digits is there already": {
        "combinations.analogies": [["shapes", "letters", "photos", "digits"]] * 2
    },
    "random_initialization.tasks: 'glyphs' is not in tasks": {
        "random_initialization.tasks": ["glyphs"]
    },
    "alphas must hold 0": {"alphas.minimum": 0.1},
    "alphas must list each number once": {"alphas": [0.0, 0.5, 0.5]},
    "alphas must have a minimum below its maximum": {
        "alphas": {"minimum": 1.0, "maximum": 1.0, "points": 2}
    },
    "alphas.maximum must be a finite number, not inf": {"alphas.maximum": float("inf")},
    "alphas.points must be at least 2, not 1": {"alphas.points": 1},
    "study: '../demo' is not a name": {"study": "../demo"},
    "paths.results: 'my results' is not a path that commands can take": {
        "paths.results": "my results"
    },
    "compute.device must be one of 'auto', 'cpu' or 'cuda', not 'gpu'": {"compute.device": "gpu"},
    "datasets.shapes.train_images: the 90 images that validation leaves are fewer": {
        "datasets.shapes.train_images": 100
    },
    "datasets.glyphs.train_images: 5 images leave no validation image": {
        "datasets.glyphs.train_images": 5
    },
    "validation must be a mapping of keys, not 0.1": {"validation": 0.1},
}


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
