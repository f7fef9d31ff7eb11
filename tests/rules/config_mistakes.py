"""Slips in a configuration: how the message begins -> the keys that are wrong, with values."""

MISTAKES = {
    "seeds[0] must be less than 4294967296, not 4294967296": {"seeds": [2**32]},
    "finetuning.tuning_seed must be less than 4294967296": {"finetuning.tuning_seed": 2**70},
    "datasets.shapes.sources[0].seed must be less than 4294967296": {
        "datasets.shapes.sources": [{"source": "demo", "seed": 2**40}]
    },
    "compute.threads must be at most 1024, not 100000": {"compute.threads": 10**5},
    "finetuning.epochs.shapes must be at most 100000": {"finetuning.epochs.shapes": 10**7},
    "alphas.points must be at most 1001, not 1000000": {"alphas.points": 10**6},
    "disentanglement.points must be at most 1001": {"disentanglement.points": 6001},
    "finetuning.learning_rate.standard must be at most 1.0, not 3.0": {
        "finetuning.learning_rate.standard": 3.0
    },
    "datasets.shapes.test_images must be at most 1000000000": {
        "datasets.shapes.test_images": 10**10
    },
    "architectures.demo-vit: 'a\\nb' is not a line of text": {"architectures.demo-vit": "a\nb"},
    "architectures.demo-vit: '\\x1b[31mred' is not a line of text": {
        "architectures.demo-vit": "\x1b[31mred"
    },
    "finetuning.learning_rate.linear.grid must have at least 3 entries, not [0.1, 0.2]": {
        "finetuning.learning_rate.linear": {"grid": [0.1, 0.2]}
    },
    "finetuning.learning_rate.standard.grid must list each rate once, not [0.1, 0.2, 0.1]": {
        "finetuning.learning_rate.standard": {"grid": [0.1, 0.2, 0.1]}
    },
    "finetuning.learning_rate.linear.grid[1] must be greater than 0": {
        "finetuning.learning_rate.linear": {"grid": [0.1, -0.2, 0.3]}
    },
    "modes: 'posthok' is not in tangent/arithmetic/modes.py; did you mean 'posthoc'?": {
        "modes": ["posthok"]
    },
    "modes: 'linear' is listed 2 times; list it once": {"modes": ["linear", "linear"]},
    "finetuning.learning_rate.linear is missing; the mode 'linear' needs it": {
        "finetuning.learning_rate": {"standard": 1e-3}
    },
    "random_initialization.learning_rate.standard is missing; the mode 'posthoc' needs it": {
        "modes": ["posthoc"],
        "random_initialization.learning_rate": {"linear": 1e-3},
    },
    "merging: 'sun' is not in the folder tangent/arithmetic/merging; did you mean 'sum'?": {
        "merging": ["sun"],
        "combinations.models": [],
    },
    "finetuning.learning_rate.linear.grid is missing": {"finetuning.learning_rate.linear": {}},
    "finetuning.learning_rate.linear.gird is not a known key; did you mean "
    "finetuning.learning_rate.linear.grid?": {
        "finetuning.learning_rate.linear": {"grid": [0.1, 0.2, 0.3], "gird": [1.0]}
    },
    "finetuning.tuning_seed must be at least 0, not -1": {"finetuning.tuning_seed": -1},
    "random_initialization.learning_rate.linear must be a number, not {'grid': [0.1, 0.2, 0.3]}": {
        "random_initialization.learning_rate.linear": {"grid": [0.1, 0.2, 0.3]}
    },
    "finetuning.tasks: 'shape' is not in tangent/tasks; did you mean 'shapes'?": {
        "finetuning.tasks": {"shape": {"epochs": 2}}
    },
    "finetuning.tasks.shapes.epoch is not a known key; did you mean finetuning.tasks": {
        "finetuning.tasks": {"shapes": {"epoch": 2}}
    },
    "finetuning.tasks.shapes.learning_rate must be at most 1.0": {
        "finetuning.tasks": {"shapes": {"learning_rate": 3.0}}
    },
    "finetuning.tasks.shapes.learning_rate.linaer must be one of": {
        "finetuning.tasks": {"shapes": {"learning_rate": {"linaer": 0.1}}}
    },
    "finetuning.tasks.shapes.learning_rate: it would be the same at all rates that rate": {
        "finetuning.tasks": {"shapes": {"learning_rate": 0.1}},
        "rate_sensitivity": {"models": ["demo-vit", "other"]},
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
    "datasets.shapes.sources[0].source must be one of 'hub', 'class_folders', 'csv', 'folder', "
    "'torchvision', 'demo', 'demo_text', 'json_lines', 'package', 'synthetic', not 'hbu'": {
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
    "export.models: 'demo-vitt' is not in models; did you mean 'demo-vit'?": {
        "export": {"models": ["demo-vitt"]}
    },
    "export.modes: 'linear' is not in modes; known: posthoc, standard": {
        "modes": ["standard", "posthoc"],
        "export": {"modes": ["linear"]},
    },
    "export.seeds: '7' is not in seeds; known: 0": {"export": {"seeds": [7]}},
    "export.negations: 'glyphs' is not in tasks; known: counting": {
        "export": {"negations": ["glyphs"]}
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
