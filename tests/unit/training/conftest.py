"""A tiny CLIP of open_clip, a prepared demo data set and heads, made by the scripts themselves."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from published_weights import Base, make_base
from small_study import ARCHITECTURE, compact

from scripts import cli
from tangent.jobs.files import sha256_file, write_json, write_safetensors
from tangent.tasks.task_files import load_task

TASKS = ("shapes", "counting")
CONFIG = {
    "model_cfg": ARCHITECTURE | {"text_cfg": ARCHITECTURE["text_cfg"] | {"context_length": 12}},
    "preprocess_cfg": {
        "mean": [0.5, 0.4, 0.3],
        "std": [0.3, 0.25, 0.2],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}
DEMO = '{"source": "demo", "seed": 0}'
SIZES = {"train_images": 80, "test_images": 30}
PREPARATION = {
    "task": "shapes",
    "image_size": 32,
    "order": "source",
    "validation_fraction": 0.1,
    "validation_maximum": 5000,
    **SIZES,
}


def run_script(name: str, **flags: object) -> None:
    """Run a script in this process through its own command line; lists become several values."""
    module = importlib.import_module(f"scripts.{name}")
    argv: list[str] = []
    for flag, value in flags.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        argv += ["--" + flag.replace("_", "-"), *map(str, values)]
    module.run(cli.parse(module.Arguments, argv))


@pytest.fixture(autouse=True)
def _restore_torch():
    """Scripts set torch up for themselves; other tests must not notice."""
    threads = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture(scope="session")
def script() -> Callable[..., None]:
    return run_script


@pytest.fixture(scope="session")
def clip() -> torch.nn.Module:
    """The tiny CLIP as open_clip makes it, with float16 weights as a compact checkpoint has."""
    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG["model_cfg"])
    return model.half().float().eval()


@pytest.fixture(scope="session")
def source(clip, tmp_path_factory) -> dict[str, str]:
    """An entry of the configuration: the tiny CLIP as a compact checkpoint in a folder."""
    folder = tmp_path_factory.mktemp("source")
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    prompts = [text for task in TASKS for row in load_task(task).prompts() for text in row]
    tokens = tokenizer(prompts).unique().tolist()
    weights = folder / "model.safetensors"
    write_safetensors(weights, compact(clip.state_dict(), tokens))
    write_json(folder / "open_clip_config.json", CONFIG)
    sha256 = sha256_file(weights)
    return {"source": "file", "image_size": 32, "folder": str(folder), "sha256": sha256}


@pytest.fixture(scope="session")
def pretrained(source, tmp_path_factory) -> Path:
    """The folder that fetch_pretrained makes."""
    folder = tmp_path_factory.mktemp("pretrained") / "tiny"
    run_script("fetch_pretrained", source=json.dumps(source), output_dir=folder)
    return folder


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """The folder that prepare_dataset makes for the task shapes."""
    root = tmp_path_factory.mktemp("datasets")
    run_script("locate_dataset", task="shapes", sources=DEMO, output=root / "found.json", **SIZES)
    run_script(
        "prepare_dataset", located=root / "found.json", output_dir=root / "shapes", **PREPARATION
    )
    return root / "shapes"


@pytest.fixture(scope="session")
def preparation(dataset) -> dict[str, object]:
    """Flags of prepare_dataset for the task shapes, but for the output."""
    return {**PREPARATION, "located": dataset.parent / "found.json"}


@pytest.fixture(scope="session")
def heads(pretrained, tmp_path_factory) -> Path:
    """A folder of the heads that build_head makes."""
    folder = tmp_path_factory.mktemp("heads")
    for task in TASKS:
        run_script(
            "build_head",
            pretrained_dir=pretrained,
            task=task,
            threads=1,
            device="cpu",
            output=folder / task / "head.safetensors",
        )
    return folder


@pytest.fixture
def finetuning(pretrained, dataset, heads, tmp_path) -> dict[str, object]:
    """Flags of a short fine-tuning."""
    return {
        "pretrained_dir": pretrained,
        "initial_encoder": pretrained / "encoder.safetensors",
        "head": heads / "shapes" / "head.safetensors",
        "data_dir": dataset,
        "training": "standard",
        "task": "shapes",
        "model": "tiny",
        "seed": 0,
        "epochs": 3,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "warmup_steps": 2,
        "gradient_clip": 1.0,
        "autocast": "none",
        "device": "cpu",
        "threads": 1,
        "output_dir": tmp_path / "finetuned",
    }


@pytest.fixture
def base(tmp_path, seed) -> Base:
    return make_base(tmp_path / "tiny")


@pytest.fixture
def imported(base, script, tmp_path) -> Callable[..., Path]:
    """Import published weights, a file of this machine, with the script; returns what it wrote."""

    def run(path: Path, base: Base = base, entry: dict | None = None) -> Path:
        output = tmp_path / "published" / "encoder.safetensors"
        entry = {"source": "file", "path": str(path), "sha256": sha256_file(path), **(entry or {})}
        script(
            "import_finetuned",
            source=json.dumps(entry),
            pretrained_dir=base.folder,
            initial_encoder=base.folder / "encoder.safetensors",
            training="standard",
            task="cars",
            model="tiny",
            output=output,
        )
        return output

    return run
