"""Build the head of a task for a model from the texts of the task's classes."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    pretrained_dir: Path = cli.argument("the model's folder")
    task: str = cli.argument("name of the task")
    located: Path | None = cli.argument("what locate_dataset wrote, unless it is our task", None)
    threads: int = cli.argument("CPU threads", 1)
    device: str = cli.argument("auto, cpu, cuda or cuda:<index>", "cpu")
    output: Path = cli.argument("head.safetensors")


def run(arguments: Arguments) -> None:
    from tangent.jobs import runtime
    from tangent.models.families import family_of
    from tangent.models.heads.stored import HEADS, save_head
    from tangent.tasks.task_files import described_task

    task = described_task(arguments.task, arguments.located)
    device = runtime.setup(arguments.threads, arguments.device)
    folder = arguments.pretrained_dir
    family = family_of(folder)
    head = HEADS[family.head].build(folder, task, device)
    files = family.config_file, family.weights_file, *family.other_files
    inputs = [folder / name for name in files]
    inputs += [arguments.located] if arguments.located else []
    save_head(arguments.output, head, task, arguments.metadata(inputs, model=folder.name))
