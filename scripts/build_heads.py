"""Build the zero-shot heads of a model for several tasks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Build the zero-shot heads of a model for several tasks."""

    pretrained_dir: Path = cli.argument("the model's folder")
    tasks: list[str] = cli.argument("names of the tasks, the control task among them")
    threads: int = cli.argument("CPU threads")
    device: str = cli.argument("auto, cpu, cuda or cuda:<index>")
    output_dir: Path = cli.argument("folder for <task>/head.safetensors")


def run(arguments: Arguments) -> None:
    """Write one head per task."""
    from tangent import heads, provenance, runtime
    from tangent.models import CONFIG_FILE, MODEL_FILE, load_model, load_tokenizer
    from tangent.progress import Progress
    from tangent.tasks import load_task

    tasks = [load_task(name) for name in arguments.tasks]
    device = runtime.setup(arguments.threads, arguments.device)
    folder = arguments.pretrained_dir
    model, tokenizer = load_model(folder, device), load_tokenizer(folder)
    inputs = [folder / CONFIG_FILE, folder / MODEL_FILE]
    block = provenance.record(inputs, arguments.settings(), arguments.code)
    metadata = {"model": folder.name, "provenance": json.dumps(block)}
    with Progress(f"heads of {folder.name}", len(tasks), unit="head") as progress:
        for task in tasks:
            weight = heads.build_head(model, tokenizer, task)
            path = arguments.output_dir / task.name / "head.safetensors"
            heads.save_head(path, weight, task, metadata)
            progress.update()


if __name__ == "__main__":
    cli.main(Arguments, run)
