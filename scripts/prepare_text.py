"""Tokenise a task's texts for a model, cut the validation split, check and hash the splits."""

from pathlib import Path

from scripts import cli
from scripts.dataset_arguments import DatasetArguments


class Arguments(DatasetArguments):
    pretrained_dir: Path = cli.argument("the model's folder, for its tokenizer and lengths")


def run(arguments: Arguments) -> None:
    from tangent.data.tokens import TextForm
    from tangent.jobs.files import sha256_file
    from tangent.models.families import config_path, preprocess_config
    from tangent.models.t5_tokenizer import TOKENIZER_FILE, load_tokenizer

    folder = arguments.pretrained_dir
    file = folder / TOKENIZER_FILE
    form = TextForm(load_tokenizer(folder), sha256_file(file), **preprocess_config(folder))
    arguments.prepare(form, [config_path(folder), file])
