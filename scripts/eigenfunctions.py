"""Local energy of the tangent kernel's eigenfunctions on held-out images (figure 6).

The eigenfunctions are those of a task's kernels; images are of the task and of control tasks.
"""

from pathlib import Path
from typing import Literal

from scripts import cli
from scripts.encoder_arguments import EncoderArguments
from tangent.data.split import sample_rows, split_path
from tangent.evaluation.evaluation_task import EvaluationTask, head_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_csv


class Arguments(EncoderArguments):
    model: str = cli.argument("name of the model")
    seed: int = cli.argument("study seed: draws the images and the logits")
    heads_dir: Path = cli.argument("folder of the zero-shot heads, {task}/head.safetensors")
    task: str = cli.argument("the task whose kernels these are")
    control_tasks: list[str] = cli.argument("data sets to compare with")
    images: int = cli.argument("images of each data set; all of them if there are fewer")
    components: int = cli.argument("leading eigenfunctions per kernel")
    logits: str = cli.argument(
        "how many output logits, one kernel each (all classes if there are fewer), or `all`: one "
        "kernel of all logits together"
    )
    output_dir: Path = cli.argument("folder of energies.csv, spectrum.csv, eigenfunctions.json")

    if_out_of_memory = "Lower eigenfunctions.images, logits or components."


def run(arguments: Arguments) -> None:
    """Kernels of training images; energies of these and of every data set's test images."""
    from tangent.evaluation.local_energies import Sample, localization

    folders = arguments.heads_dir, arguments.datasets_dir
    task = EvaluationTask.load(arguments.task, *folders, arguments.head_kind())
    task.labels("train")  # says early if head and data set do not belong together
    load = arguments.images_of()

    def sample(dataset: str, split: str, name: str) -> Sample:
        rows, images = load.sample(dataset, split, arguments.images, arguments.seed)
        return Sample(dataset, name, rows, images.whole())

    datasets = [arguments.task, *arguments.control_tasks]
    samples = [sample(arguments.task, "train", "sample")]
    samples += [sample(dataset, "test", "test") for dataset in datasets]
    logits = _logits(arguments, task.head.classes)
    found = localization(arguments.load_encoder(), task.head, samples, logits, arguments.components)
    energies = [
        (of.dataset, of.split, logit, int(row), energy)
        for of in samples
        for logit, of_logit in zip(found.kernels, found.energies[of.dataset, of.split], strict=True)
        for row, energy in zip(of.rows, of_logit, strict=True)
    ]
    spectrum = [
        (logit, component, eigenvalue)
        for logit, eigenvalues in zip(found.kernels, found.spectra, strict=True)
        for component, eigenvalue in enumerate(eigenvalues, start=1)
    ]
    folder = arguments.output_dir
    about = arguments.chosen("model", "task", "seed")
    columns = ("dataset", "split", "logit", "image", "energy")
    write_csv(folder / "energies.csv", columns, energies, about)
    about |= {"images": arguments.images, "components": arguments.components}
    write_csv(folder / "spectrum.csv", ("logit", "component", "eigenvalue"), spectrum, about)
    inputs = [head_path(arguments.heads_dir, arguments.task)]
    inputs.append(split_path(arguments.datasets_dir / arguments.task, "train"))
    inputs += [split_path(arguments.datasets_dir / dataset, "test") for dataset in datasets]
    result = about | {"logits": logits, **found.method, "means": found.means()}
    arguments.write(folder / "eigenfunctions.json", result, inputs)


def _logits(arguments: Arguments, classes: int) -> list[int] | Literal["all"]:
    """The logits of the kernels, one each, drawn with the seed; or `all` for one kernel of all."""
    if arguments.logits == "all":
        return "all"
    if not arguments.logits.isdecimal() or int(arguments.logits) < 1:
        raise UserError(
            f"--logits is {arguments.logits!r}: give a number of logits from 1 on, or `all`."
        )
    return sample_rows(classes, int(arguments.logits), arguments.seed).tolist()
