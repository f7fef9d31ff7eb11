"""Fine-tune an image encoder on one task; killed at any moment, it resumes to the same bits."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scripts import cli
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_choice

if TYPE_CHECKING:
    from tangent.jobs.checkpoint import Checkpoint
    from tangent.training.distributed import Processes
    from tangent.training.history import Record
    from tangent.training.loop import Result


class Arguments(cli.Common):
    pretrained_dir: Path = cli.argument("the model's folder, for architecture and preprocessing")
    initial_encoder: Path = cli.argument("θ0 (safetensors)")
    head: Path = cli.argument("the task's frozen head (safetensors)")
    data_dir: Path = cli.argument("the task's folder of prepared splits")
    training: str = cli.argument("standard, or linear: in the tangent space at θ0")
    task: str = cli.argument("name of the task")
    model: str = cli.argument("name of the model, recorded with the result")
    seed: int = cli.argument("the study's seed, for order and augmentation")
    epochs: int = cli.argument("passes over the training set")
    batch_size: int = cli.argument("images per step, over all processes and accumulation steps")
    learning_rate: float | None = cli.argument("AdamW's peak learning rate", None)
    learning_rate_file: Path | None = cli.argument("in its place: a file with the chosen one", None)
    weight_decay: float = cli.argument("AdamW's weight decay")
    warmup_steps: int = cli.argument("steps of the linear warm-up")
    gradient_clip: float = cli.argument("largest global norm of the gradient")
    autocast: Literal["bfloat16", "none"] = cli.argument("precision of the encoder's products")
    accumulation_steps: int = cli.argument("passes per step and process", 1)
    activation_checkpointing: Literal["on", "off"] = cli.argument("recompute activations", "off")
    if_diverged: Literal["fail", "give_up"] = cli.argument(
        "at a loss that is not finite: fail, or write weights that are all NaN", "fail"
    )
    compile: Literal["on", "off"] = cli.argument("run full batches by compiled code", "off")
    processes: int = cli.argument("processes that torchrun started, one per GPU", 1)
    device: str = cli.argument("auto, cpu, cuda or cuda:<index>")
    threads: int = cli.argument("CPU threads of each process")
    output_dir: Path = cli.argument("folder for encoder, log, metrics and events")
    seconds_between_states: float = cli.argument("how often to save the state", 30.0, False)

    @property
    def if_out_of_memory(self) -> str:
        """What to change where memory does not suffice."""
        key = f"finetuning.models.{self.model.removesuffix('-random')}"
        wishes = [f"raise {key}.accumulation_steps (now {self.accumulation_steps})"]
        if self.activation_checkpointing == "off":
            wishes.append(f"add {self.training} to {key}.activation_checkpointing")
        return f"To train in less memory, {' or '.join(wishes)}; a state that was saved is kept."

    def peak_learning_rate(self) -> float:
        """The number given, or that of the file.

        Raises:
            UserError: both or neither are given, or the file is of another training.
        """
        if (self.learning_rate is None) == (self.learning_rate_file is None):
            raise UserError("give exactly one of --learning-rate and --learning-rate-file.")
        if self.learning_rate is not None:
            return self.learning_rate
        about = self.chosen("model", "training")
        return read_choice(self.learning_rate_file, "learning_rate", **about)


def run(arguments: Arguments) -> None:
    """Write encoder.safetensors, log.csv, metrics.json and events/."""
    from tangent.jobs import files, runtime
    from tangent.training.distributed import PeerFailed, process_group
    from tangent.training.history import Record

    device = runtime.setup(arguments.threads, arguments.device, arguments.seed)
    folder = arguments.output_dir
    try:
        with process_group(arguments.processes, device) as processes:
            if processes.is_first:
                files.check_writable(folder)  # better now than after hours
            with closing(Record(folder / "events" if processes.is_first else None)) as record:
                trained = _train(arguments, processes, record)
    except PeerFailed:
        sys.exit(1)
    if processes.is_first:
        _write(arguments, record, *trained)


def _train(
    arguments: Arguments, processes: Processes, record: Record
) -> tuple[Result, Checkpoint, dict[str, Any]]:
    """Returns the result, the saved state that is not needed any more, and the provenance."""
    from tangent.data.split import load_split, split_path
    from tangent.jobs.checkpoint import Checkpoint
    from tangent.models.encoders import load_encoder
    from tangent.models.families import config_path, family_of, preprocess_config
    from tangent.models.heads.stored import load_head
    from tangent.training.examples import training_examples
    from tangent.training.loop import Settings, finetune

    preprocess = preprocess_config(arguments.pretrained_dir)
    given = {name: getattr(arguments, name) for name in Settings.__dataclass_fields__}
    settings = Settings(**given | {"learning_rate": arguments.peak_learning_rate()})
    # Before the provenance, which names a GPU only if one is in use.
    encoder = load_encoder(arguments.pretrained_dir, arguments.initial_encoder, processes.device)
    inputs = [
        config_path(arguments.pretrained_dir),
        arguments.initial_encoder,
        arguments.head,
        split_path(arguments.data_dir, "train"),
    ]
    chosen = [arguments.learning_rate_file] if arguments.learning_rate_file else []
    block = arguments.provenance([*inputs, *chosen])
    decisive = {
        "settings": asdict(settings),
        "processes": processes.count,
        # Of the file of a learning rate the number counts, which is among the settings.
        "inputs": [block["inputs"][str(path)] for path in inputs],
        "code": arguments.code,
        "versions": block["versions"],
        "threads": arguments.threads,
        "hardware": processes.hardware,
    }
    state = arguments.output_dir / "state.pt"
    checkpoint = Checkpoint(state, decisive, arguments.seconds_between_states)
    result = finetune(
        encoder,
        load_head(arguments.head, family_of(arguments.pretrained_dir).head),
        training_examples(load_split(arguments.data_dir, "train", preprocess), preprocess),
        settings,
        record,
        checkpoint,
        processes,
    )
    return result, checkpoint, block


def _write(
    arguments: Arguments,
    record: Record,
    result: Result,
    checkpoint: Checkpoint,
    block: dict[str, Any],
) -> None:
    from tangent.jobs import files

    folder = arguments.output_dir
    identity = arguments.chosen("model", "training", "task", "seed")
    loss, accuracy = (None, None) if result.diverged else record.last_epoch()
    metrics = {
        **identity,
        "learning_rate": arguments.peak_learning_rate(),
        "loss": loss,
        "accuracy": accuracy,
        "steps": len(record.rows),
        "diverged": result.diverged,
        "seconds": result.seconds,
        "engine": result.engine.name,
        "engine_reason": result.engine.reason,
        "provenance": block,
    }
    metadata = {name: str(metrics[name]) for name in (*identity, "learning_rate")}
    metadata |= {"buffers": json.dumps(result.buffers), "provenance": json.dumps(block)}
    files.write_safetensors(folder / "encoder.safetensors", result.state, metadata)
    record.write_csv(folder / "log.csv")
    files.write_json(folder / "metrics.json", metrics)
    checkpoint.remove()
