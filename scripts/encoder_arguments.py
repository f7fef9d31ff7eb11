"""Arguments of the steps that run the encoder at θ0, and what they load from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scripts import cli

if TYPE_CHECKING:
    from torch import device, nn

    from tangent.evaluation.features import StoredExamples


class EncoderArguments(cli.Common):
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

    def provenance(self, inputs: Iterable[Path]) -> dict[str, Any]:
        """The provenance block; the encoder and its configuration are inputs too."""
        from tangent.models.families import config_path

        return super().provenance([config_path(self.pretrained_dir), self.encoder, *inputs])


class EncodingArguments(EncoderArguments):
    batch_size: int = cli.argument("images per pass; fewer with many task vectors", 256)
    autocast: Literal["bfloat16", "none"] = cli.argument("precision of matrix products", "none")


class TableArguments(EncodingArguments):
    dataset: str = cli.argument("name of the data set")
    output_dir: Path = cli.argument("folder of validation.safetensors and test.safetensors")

    def write_table(
        self, split: str, tensors: Mapping[str, Any], others: Iterable[Path] = (), **about: str
    ) -> None:
        """Write a table of the data set's split; `others` were read beside the split."""
        from tangent.data.split import split_path
        from tangent.jobs.files import write_safetensors

        inputs = [split_path(self.datasets_dir / self.dataset, split), *others]
        metadata = self.metadata(inputs, dataset=self.dataset, **about)
        write_safetensors(self.output_dir / f"{split}.safetensors", tensors, metadata)
