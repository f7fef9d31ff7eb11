"""Build the head of a task's candidate answers for a text-to-text model."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    pretrained_dir: Path = cli.argument("the model's folder")
    task: str = cli.argument("name of the task")
    output: Path = cli.argument("head.safetensors")


def run(arguments: Arguments) -> None:
    from tangent.models.heads.candidates import build_answers_head
    from tangent.models.heads.stored import save_head
    from tangent.models.t5_files import CONFIG_FILE, MODEL_FILE, TOKENIZER_FILE
    from tangent.tasks.task_files import load_task

    task, folder = load_task(arguments.task), arguments.pretrained_dir
    head = build_answers_head(folder, task.classes, f"task {task.name}")
    inputs = [folder / name for name in (CONFIG_FILE, MODEL_FILE, TOKENIZER_FILE)]
    save_head(arguments.output, head, task, arguments.metadata(inputs, model=folder.name))
