"""Local energy of the tangent kernel's eigenfunctions on held-out images (figure 6).

The eigenfunctions are those of a task's kernels; images are of the task and of control tasks.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from scripts import cli
from scripts.encoder_arguments import EncoderArguments
from tangent.data.split import sample_rows, split_path
from tangent.evaluation.evaluation_task import EvaluationTask, head_path
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_csv
from tangent.jobs.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from tangent.kernels.localization import TangentEigenfunctions
    from tangent.kernels.matrix_free import MatrixFreeEigenfunctions
    from tangent.models.heads.head import Head


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
    memory: int | None = cli.argument("bytes for gradients; the device's default without", None)
    output_dir: Path = cli.argument("folder of energies.csv, spectrum.csv, eigenfunctions.json")

    if_out_of_memory = (
        "Lower compute.memory.kernels, or eigenfunctions.images, logits or components."
    )


def run(arguments: Arguments) -> None:
    """Kernels of training images; energies of these and of every data set's test images."""
    folders = arguments.heads_dir, arguments.datasets_dir
    task = EvaluationTask.load(arguments.task, *folders, arguments.head_kind())
    task.labels("train")  # says early if head and data set do not belong together
    load = arguments.images_of()

    datasets = [arguments.task, *arguments.control_tasks]
    # The training images define the kernel.
    places = {(arguments.task, "sample"): (arguments.task, "train")}
    places |= {(dataset, "test"): (dataset, "test") for dataset in datasets}
    rows, images = {}, {}
    for name, place in places.items():
        rows[name], examples = load.sample(*place, arguments.images, arguments.seed)
        images[name] = examples.whole()
    logits = _logits(arguments, task.head.classes)
    kernels = ["all"] if logits == "all" else logits
    found, method = _eigenfunctions(arguments, task.head, images[arguments.task, "sample"], logits)
    total = found.passes * sum(map(len, images.values()))
    with Progress(f"local energies of {arguments.task}", total, "image") as progress:
        of_samples = found.local_energies(list(images.values()), progress.update)
    energies = [
        (*name, logit, int(row), energy)
        for name, of_kernels in zip(images, of_samples, strict=True)
        for logit, of_logit in zip(kernels, of_kernels, strict=True)
        for row, energy in zip(rows[name], of_logit, strict=True)
    ]
    means = [
        {"dataset": dataset, "split": split, "energy": fmean(of_kernels.ravel())}
        for (dataset, split), of_kernels in zip(images, of_samples, strict=True)
    ]
    spectrum = [
        (logit, component, eigenvalue)
        for logit, fitted in zip(kernels, found.per_kernel, strict=True)
        for component, eigenvalue in enumerate(fitted.spectrum, start=1)
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
    result = about | {"logits": logits, **method, "means": means}
    arguments.write(folder / "eigenfunctions.json", result, inputs)


def _eigenfunctions(
    arguments: Arguments, head: Head, sample: Tensor, logits: list[int] | Literal["all"]
) -> tuple[TangentEigenfunctions | MatrixFreeEigenfunctions, dict[str, Any]]:
    """The leading eigenfunctions of tangent kernels at θ0, one per logit or one of all.

    Returns:
        the eigenfunctions, and how they were found: the kernels' `method`, and, matrix-free, the
        number of `products` and their `residual` (`tangent.kernels.eigenfunctions`).

    Raises:
        UserError: the sample has fewer independent images than components.
    """
    from tangent.arithmetic.linearized import parameters_of
    from tangent.kernels.gram import budget, classifier
    from tangent.kernels.kernel_cost import gradients_held, kernel_method, products
    from tangent.kernels.localization import TangentEigenfunctions
    from tangent.kernels.matrix_free import MatrixFreeEigenfunctions

    encoder, components = arguments.load_encoder(), arguments.components
    theta0 = parameters_of(encoder)
    f = classifier(encoder, head.on(next(iter(theta0.values())).device))
    outputs, kernels = (head.classes, 1) if logits == "all" else (1, len(logits))
    name, memory = arguments.task, arguments.memory
    held = gradients_held(*budget(theta0, memory))
    method = kernel_method(len(sample), outputs, components, held)
    if method == "dense":
        with Progress(f"kernels of {name}", kernels, "kernel") as progress:
            found = TangentEigenfunctions(
                f, theta0, sample, logits, components, memory, progress.update
            )
        return found, {"method": method}
    expected = kernels * products(outputs * len(sample), components)
    with Progress(f"about {expected} products with kernels of {name}", expected) as progress:
        found = MatrixFreeEigenfunctions(
            f, theta0, sample, logits, components, memory, progress.update
        )
    return found, {"method": method, "products": found.products, "residual": found.residual}


def _logits(arguments: Arguments, classes: int) -> list[int] | Literal["all"]:
    """The logits of the kernels, one each, drawn with the seed; or `all` for one kernel of all."""
    if arguments.logits == "all":
        return "all"
    if not arguments.logits.isdecimal() or int(arguments.logits) < 1:
        raise UserError(
            f"--logits is {arguments.logits!r}: give a number of logits from 1 on, or `all`."
        )
    return sample_rows(classes, int(arguments.logits), arguments.seed).tolist()
