"""Decode a task's images once, cut the validation split, check and hash the splits."""

from scripts import cli
from scripts.dataset_arguments import DatasetArguments


class Arguments(DatasetArguments):
    image_size: int = cli.argument("height and width of the model's images, in pixels")
    threads: int = cli.argument("images that are decoded at the same time", 1, is_decisive=False)


def run(arguments: Arguments) -> None:
    from tangent.data.output import ImageForm

    arguments.prepare(ImageForm(arguments.image_size), [], arguments.threads)
