"""Fine-tune an image encoder on one task; killed at any moment, it resumes to the same bits."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scripts import cli
from tangent.modes import Training

logger = logging.getLogger("tangent")


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Fine-tune an image encoder on one task; killed at any moment, it resumes to the same bits."""

    pretrained_dir: Path = cli.argument("the model's folder, for architecture and preprocessing")
    initial_encoder: Path = cli.argument("θ0 (safetensors)")
    head: Path = cli.argument("the task's frozen head (safetensors)")
    data_dir: Path = cli.argument("the task's folder of prepared splits")
    training: Training = cli.argument("standard, or linear: in the tangent space at θ0")
    task: str = cli.argument("name of the task")
    model: str = cli.argument("name of the model, recorded with the result")
    seed: int = cli.argument("the study's seed, for order and augmentation")
    epochs: int = cli.argument("passes over the training set")
    batch_size: int = cli.argument("images per step")
    learning_rate: float = cli.argument("AdamW's peak learning rate")
    weight_decay: float = cli.argument("AdamW's weight decay")
    warmup_steps: int = cli.argument("steps of the linear warm-up")
    gradient_clip: float = cli.argument("largest global norm of the gradient")
    autocast: Literal["bfloat16", "none"] = cli.argument("precision of the encoder's products")
    device: str = cli.argument("auto, cpu, cuda or cuda:<index>")
    threads: int = cli.argument("CPU threads")
    output_dir: Path = cli.argument("folder for encoder, log, metrics and events")
    seconds_between_states: float = cli.argument("how often to save the state", default=30.0)

    def settings(self) -> dict[str, Any]:
        """All arguments but those that cannot change a result."""
        settings = super().settings()
        del settings["seconds_between_states"]
        return settings


def run(arguments: Arguments) -> None:
    """Write encoder.safetensors, log.csv, metrics.json and events/."""
    from tangent import files, provenance, runtime
    from tangent.datasets.split import load_split, split_path
    from tangent.finetune import (
        Checkpoint,
        Interrupted,
        Record,
        Settings,
        TrainingImages,
        finetune,
    )
    from tangent.finetune.checkpoint import state_fingerprint
    from tangent.heads import load_head
    from tangent.models import CONFIG_FILE, load_encoder, preprocess_config

    device = runtime.setup(arguments.threads, arguments.device, arguments.seed)
    folder = arguments.output_dir
    files.write_text(folder / ".writable", "")  # better now than after hours of training
    (folder / ".writable").unlink()
    preprocess = preprocess_config(arguments.pretrained_dir)
    data = load_split(arguments.data_dir, "train", preprocess)
    settings = Settings(
        **{name: getattr(arguments, name) for name in Settings.__dataclass_fields__}
    )
    block = provenance.record(
        [
            arguments.pretrained_dir / CONFIG_FILE,
            arguments.initial_encoder,
            arguments.head,
            split_path(arguments.data_dir, "train"),
        ],
        arguments.settings(),
        arguments.code,
    )
    fingerprint = state_fingerprint(
        {
            "settings": asdict(settings),
            "inputs": list(block["inputs"].values()),
            "code": arguments.code,
            "versions": block["versions"],
            "threads": arguments.threads,
            "device": device.type,
        }
    )
    checkpoint = Checkpoint(folder / "state.pt", fingerprint, arguments.seconds_between_states)
    record = Record(folder / "events")
    try:
        result = finetune(
            load_encoder(arguments.pretrained_dir, arguments.initial_encoder, device),
            load_head(arguments.head),
            TrainingImages(data),
            preprocess,
            settings,
            record,
            checkpoint,
        )
    except Interrupted as interruption:
        logger.warning("stopped by %s", interruption)
        sys.exit(interruption.exit_status)
    finally:
        record.close()

    identity = {name: getattr(arguments, name) for name in ("model", "training", "task", "seed")}
    loss, accuracy = record.last_epoch()
    metrics = {
        **identity,
        "loss": loss,
        "accuracy": accuracy,
        "steps": len(record.rows),
        "seconds": result.seconds,
        "provenance": block,
    }
    metadata = {name: str(value) for name, value in identity.items()}
    metadata |= {"buffers": json.dumps(result.buffers), "provenance": json.dumps(block)}
    files.write_safetensors(folder / "encoder.safetensors", result.state, metadata)
    record.write_csv(folder / "log.csv")
    files.write_json(folder / "metrics.json", metrics)
    checkpoint.remove()


if __name__ == "__main__":
    cli.main(Arguments, run)
