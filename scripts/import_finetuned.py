"""Take published fine-tuned weights of an image encoder, check and convert them."""

import json
from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    source: str = cli.argument("the task's entry in the configuration (key published), as JSON")
    pretrained_dir: Path = cli.argument("the model's folder, for the architecture")
    initial_encoder: Path = cli.argument("θ0 (safetensors)")
    training: str = cli.argument("how the weights were fine-tuned")
    task: str = cli.argument("the task that they were fine-tuned on")
    model: str = cli.argument("name of the model, recorded with the result")
    output: Path = cli.argument("encoder to write (safetensors)")


def run(arguments: Arguments) -> None:
    """Write θ* with the metadata that a fine-tuning of our own gives it, and where it is from."""
    from tangent.jobs import files, sources
    from tangent.models.encoders import load_encoder
    from tangent.models.families import config_path
    from tangent.models.published.conversion import describe_base, load_checkpoint
    from tangent.models.published.published_sources import PUBLISHED_SOURCES

    identity = arguments.chosen("model", "training", "task")
    entry = sources.parse(arguments.source)
    key = ".".join(("published", *identity.values()))
    fetched = sources.described(PUBLISHED_SOURCES, entry, key).fetch(key)

    checkpoint = load_checkpoint(
        fetched.path,
        load_encoder(arguments.pretrained_dir, arguments.initial_encoder),
        describe_base(arguments.initial_encoder),
    )
    inputs = [config_path(arguments.pretrained_dir), arguments.initial_encoder]
    if fetched.commit is None:
        inputs.append(fetched.path)
    published = {
        "entry": entry,
        "commit": fetched.commit,
        "sha256": fetched.sha256,
        "layout": checkpoint.layout,
        "from_base": checkpoint.from_base,
        "relative_distance": float(f"{checkpoint.relative_distance:.6g}"),
    }
    about = {"buffers": json.dumps(checkpoint.buffers), "published": json.dumps(published)}
    metadata = arguments.metadata(inputs, **identity, **about)
    files.write_safetensors(arguments.output, checkpoint.state, metadata)
