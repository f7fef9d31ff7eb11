"""Export an edited model: a folder that open_clip and transformers load, with its heads and a card.

A linearized mode is no set of plain weights: its folder holds θ0 and τ, which
`tangent.LinearizedEncoder` loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from scripts import cli

if TYPE_CHECKING:
    from tangent.arithmetic.task_vector import TaskVector
    from tangent.models.export.exporters import Exporter


class Arguments(cli.Common):
    model: str = cli.argument("name of the model")
    mode: str = cli.argument("standard, posthoc or linear")
    seed: int = cli.argument("study seed of the task vectors")
    pretrained_dir: Path = cli.argument("folder of the pre-trained model")
    task_vector: Path = cli.argument("τ, of a task or merged (safetensors)")
    alpha: Path | None = cli.argument("alpha.json of the validation", None)
    result: Path | None = cli.argument("result.json at this α", None)
    coefficient: float | None = cli.argument(
        "by hand, in the place of these two: α, negative to forget", None
    )
    heads_dir: Path = cli.argument("folder of the heads, {task}/head.safetensors")
    tasks: list[str] = cli.argument("the tasks whose heads are put beside the model")
    license: str = cli.argument("licence of the weights, as the hub abbreviates it", "unknown")
    plain_tested_on: Path | None = cli.argument(
        "linearized: plain weights too, tested on this folder's {task}/test.safetensors", None
    )
    batch_size: int = cli.argument("of that test: images per pass", 256)
    autocast: Literal["bfloat16", "none"] = cli.argument("of that test: precision", "none")
    device: str = cli.argument("of that test: auto, cpu, cuda or cuda:<index>", "cpu")
    threads: int = cli.argument("of that test: threads of torch on the CPU", 1)
    output_dir: Path = cli.argument("folder to write; it must not exist, or be empty")

    if_out_of_memory = "Lower compute.evaluation_batch_size."


class Choice(NamedTuple):
    """The coefficient of τ, what it comes from, and test accuracies there by column and task."""

    coefficient: float
    how: str
    accuracies: dict[str, dict[str, float]]


def run(arguments: Arguments) -> None:
    """Write the folder; its card comes last."""
    from tangent.arithmetic.modes import MODES, look_up
    from tangent.arithmetic.task_vector import TaskVector
    from tangent.jobs import files
    from tangent.jobs.errors import UserError
    from tangent.models.export.linearized_encoder import save_vector
    from tangent.models.export.model_card import ACCURACY, Card

    source, output = arguments.pretrained_dir, arguments.output_dir
    is_linearized = look_up(MODES, "mode", arguments.mode).evaluated_as == "linearized"
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} exists already: remove it, or give another --output-dir.")
    exporter = _exporter(source)
    about = files.read_metadata(arguments.task_vector)
    choice = _choice(arguments, about.get("merging", about.get("task")))
    tau, coefficient = TaskVector.load(arguments.task_vector), choice.coefficient
    accuracies = choice.accuracies
    if arguments.plain_tested_on:
        if not (is_linearized and accuracies):
            raise UserError(
                "--plain-tested-on is for a linearized mode at the α that validation chose, where "
                "its accuracy is known: leave it out."
            )
        accuracies |= _of_plain_weights(arguments, tau, choice)

    left_out = None
    if is_linearized:
        exporter.write(source, output / "theta0")
        save_vector(output / "task_vector.safetensors", tau, coefficient)
        if arguments.plain_tested_on:
            exporter.write(source, output / "plain", tau, coefficient)
    else:
        left_out = exporter.write(source, output, tau, coefficient)
    for task in arguments.tasks:
        arrays, of_head = files.read_safetensors(_head(arguments, task), framework="np")
        # Its provenance would tell where files lie on this machine.
        named = {name: of_head[name] for name in ("kind", "task", "classes") if name in of_head}
        files.write_safetensors(output / "heads" / f"{task}.safetensors", arrays, named)
    Card(
        **arguments.chosen("model", "mode", "seed", "license"),
        tasks=about.get("tasks", about.get("task", "unknown")).split("+"),
        coefficient=coefficient,
        how=choice.how,
        is_linearized=is_linearized,
        base=exporter.base(source),
        accuracies=accuracies,
        heads=arguments.tasks,
        left_out=left_out,
        hashes=_hashes(arguments, accuracies.get(ACCURACY, {})),
    ).write(output)


def _exporter(folder: Path) -> Exporter:
    """How the model in a folder is exported."""
    from tangent.jobs.errors import UserError
    from tangent.models.export.exporters import EXPORTERS, unsupported
    from tangent.models.families import FAMILIES, family_of

    found = family_of(folder)
    name = next(name for name, family in FAMILIES.items() if family == found)
    if name not in EXPORTERS:
        raise UserError(f"{unsupported(str(folder), name)}.")
    return EXPORTERS[name]


def _choice(arguments: Arguments, vector: str | None) -> Choice:
    """The α of the validation, or the one given by hand."""
    from tangent.jobs.errors import UserError
    from tangent.jobs.files import read_choice, read_json, read_record
    from tangent.models.export.model_card import ACCURACY

    path, given = arguments.alpha, arguments.coefficient
    if given is not None and not (path or arguments.result):
        return Choice(given, "given by hand", {})
    if given is not None or path is None or arguments.result is None:
        raise UserError("give --alpha and --result, or --coefficient in the place of the two.")
    if not path.exists():
        raise UserError(
            f"{path} does not exist, so α is not chosen yet: run `snakemake export`, which chooses "
            "it, or give --coefficient."
        )
    identity = arguments.chosen("model", "mode", "seed")
    alpha = read_choice(path, "alpha", vector=vector, **identity)
    how = "chosen on validation images"
    if read_json(path).get("operation") == "addition":
        result = read_record(arguments.result, merging=vector, alpha=alpha, **identity)
        tested = {task: of["accuracy"] for task, of in result["tasks"].items()}
        return Choice(alpha, how, {ACCURACY: tested})
    result = read_record(arguments.result, task=vector, alpha=alpha, **identity)
    names = {"target": vector, "control": result["control_task"]}
    tested = {task: result[key] for key, task in names.items()}
    before = {task: result[f"{key}_pretrained"] for key, task in names.items()}
    return Choice(-alpha, how, {ACCURACY: tested, "of the base model": before})


def _of_plain_weights(
    arguments: Arguments, tau: TaskVector, choice: Choice
) -> dict[str, Mapping[str, float]]:
    """Test accuracy of the plain weights θ0 + ατ on the tasks of `choice`, and what they lose."""
    from tangent.evaluation.edited_plain import PlainEditedModel
    from tangent.evaluation.evaluation_task import EvaluationTask
    from tangent.evaluation.features import StoredExamples
    from tangent.jobs import runtime
    from tangent.models.encoders import load_encoder
    from tangent.models.export.model_card import ACCURACY, LOST, PLAIN
    from tangent.models.families import preprocess_config

    device = runtime.setup(arguments.threads, arguments.device)
    preprocess, folder = preprocess_config(arguments.pretrained_dir), arguments.plain_tested_on
    edited = PlainEditedModel(
        load_encoder(arguments.pretrained_dir, device=device),
        {"τ": tau},
        StoredExamples(folder, preprocess, device),
        batch_size=arguments.batch_size,
        autocast=arguments.autocast,
    )
    known, plain = choice.accuracies[ACCURACY], {}
    for name in known:
        task = EvaluationTask.load(name, arguments.heads_dir, folder)
        plain[name] = task.accuracy(edited, {"τ": choice.coefficient}, "test").accuracy
    return {PLAIN: plain, LOST: {name: known[name] - plain[name] for name in known}}


def _hashes(arguments: Arguments, tested: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the weights written and of what was read, and what wrote them."""
    from tangent.data.split import split_path
    from tangent.jobs.files import sha256_file
    from tangent.models.families import config_path, family_of

    source, output = arguments.pretrained_dir, arguments.output_dir
    read = {
        "base model": source / family_of(source).weights_file,
        "base model's configuration": config_path(source),
        "task vector": arguments.task_vector,
        "choice of α": arguments.alpha,
        "test result": arguments.result,
        **{f"head of {task}": _head(arguments, task) for task in arguments.tasks},
    }
    read = {what: path for what, path in read.items() if path}
    if arguments.plain_tested_on:
        of_tasks = {task: arguments.plain_tested_on / task for task in tested}
        read |= {f"test images of {t}": split_path(of, "test") for t, of in of_tasks.items()}
    block = arguments.provenance(read.values())
    written = sorted(output.rglob("*.safetensors"))
    hashes = {f"`{path.relative_to(output)}`": sha256_file(path) for path in written}
    hashes |= {what: block["inputs"][str(path)] for what, path in read.items()}
    hashes |= {"code": block["code"] or "unknown", "commit": block["commit"] or "unknown"}
    return hashes | {name: block["versions"][name] for name in ("torch", "open_clip_torch")}


def _head(arguments: Arguments, task: str) -> Path:
    from tangent.evaluation.evaluation_task import head_path

    return head_path(arguments.heads_dir, task)
