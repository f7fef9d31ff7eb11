"""Build the zero-shot head of a task for a model."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    pretrained_dir: Path = cli.argument("the model's folder")
    task: str = cli.argument("name of the task")
    threads: int = cli.argument("CPU threads")
    device: str = cli.argument("auto, cpu, cuda or cuda:<index>")
    output: Path = cli.argument("head.safetensors")


def run(arguments: Arguments) -> None:
    from tangent.jobs import runtime
    from tangent.models.clip import CONFIG_FILE, MODEL_FILE, load_model, load_tokenizer
    from tangent.models.heads.class_embeddings import build_head
    from tangent.models.heads.stored import save_head
    from tangent.tasks.task_files import load_task

    task = load_task(arguments.task)
    device = runtime.setup(arguments.threads, arguments.device)
    folder = arguments.pretrained_dir
    head = build_head(load_model(folder, device), load_tokenizer(folder), task)
    inputs = [folder / CONFIG_FILE, folder / MODEL_FILE]
    save_head(arguments.output, head, task, arguments.metadata(inputs, model=folder.name))
