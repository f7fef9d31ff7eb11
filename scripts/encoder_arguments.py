"""Arguments of the steps that run the encoder at θ0, and what they load from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import cli
from tangent.jobs import provenance

if TYPE_CHECKING:
    from torch import device, nn

    from tangent.evaluation.features import StoredExamples


@dataclass(frozen=True, kw_only=True)
class EncoderArguments(cli.Common):
    """Run the encoder at θ0."""

    pretrained_dir: Path = cli.argument("folder of the pre-trained model")
    encoder: Path = cli.argument("encoder weights θ0 (safetensors)")
    datasets_dir: Path = cli.argument("folder of the data sets, {task}/{split}.safetensors")
    device: str = cli.argument("auto, cpu, cuda or cuda:<index>", "auto")
    threads: int = cli.argument("threads of torch on the CPU", 1)

    if_out_of_memory = "Lower compute.evaluation_batch_size."

    def setup(self) -> device:
        """The device, after torch has been set up for reproducible results."""
        from tangent.jobs import runtime

        return runtime.setup(self.threads, self.device)

    def load_encoder(self) -> nn.Module:
        """The encoder at θ0 on the device, in evaluation mode."""
        from tangent.models.encoders import load_encoder

        return load_encoder(self.pretrained_dir, self.encoder, self.setup()).eval()

    def head_kind(self) -> str:
        """The kind of the model's heads."""
        from tangent.models.families import family_of

        return family_of(self.pretrained_dir).head

    def images_of(self) -> StoredExamples:
        """The data sets' examples, preprocessed for the encoder."""
        from tangent.evaluation.features import StoredExamples
        from tangent.models.families import preprocess_config

        preprocess = preprocess_config(self.pretrained_dir)
        return StoredExamples(self.datasets_dir, preprocess, self.setup())

    def provenance(self, others: Iterable[Path]) -> dict[str, Any]:
        """The provenance block: inputs are the encoder, its configuration and `others`."""
        from tangent.models.families import config_path

        inputs = [config_path(self.pretrained_dir), self.encoder, *others]
        return provenance.record(inputs, self.settings(), self.code)
