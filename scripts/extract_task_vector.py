"""Subtract the initial from the fine-tuned encoder: the task vector τ = θ* − θ0."""

import json
from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    initial_encoder: Path = cli.argument("θ0 (safetensors)")
    finetuned_encoder: Path = cli.argument("θ*, a fine-tuned encoder (safetensors)")
    output: Path = cli.argument("task vector to write (safetensors)")


def run(arguments: Arguments) -> None:
    """Write τ, of parameters only; model, training, task and seed are the fine-tuned encoder's."""
    from tangent.arithmetic.task_vector import TaskVector
    from tangent.jobs import files
    from tangent.jobs.errors import UserError

    inputs = [arguments.initial_encoder, arguments.finetuned_encoder]
    block = arguments.provenance(inputs)
    theta0, _ = files.read_safetensors(arguments.initial_encoder)
    theta_star, about = files.read_safetensors(arguments.finetuned_encoder)
    started_from = json.loads(about.get("provenance", "{}")).get("inputs", {}).values()
    if block["inputs"][str(arguments.initial_encoder)] not in started_from:
        raise UserError(
            f"{arguments.finetuned_encoder} was not fine-tuned from {arguments.initial_encoder} "
            "(its provenance has another SHA-256): give the encoder that it started from, or "
            "fine-tune again."
        )
    for name in json.loads(about.get("buffers", "[]")):
        del theta0[name], theta_star[name]
    metadata = {
        name: about[name] for name in ("model", "training", "task", "seed") if name in about
    }
    metadata["provenance"] = json.dumps(block)
    TaskVector.from_checkpoints(theta0, theta_star).save(arguments.output, metadata)
