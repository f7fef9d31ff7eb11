"""The card of an exported model, in the hub's format: what it is, how accurate, how to load it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tangent.jobs.files import write_text
from tangent.models.export.clip_export import TRANSFORMERS

FILE = "README.md"
PAPER = "https://arxiv.org/abs/2305.12827"
UNKNOWN = "unknown"

ACCURACY, PLAIN, LOST = "test accuracy", "plain weights", "lost by plain weights"
"""Columns of the card's table of accuracies."""


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        model, mode, seed: the study's names.
        tasks: those whose task vectors are in τ.
        coefficient: α, or −α to forget.
        how: how the coefficient came about.
        is_linearized: whether the mode evaluates f(x; θ0) + α J(x)τ, not f(x; θ0 + ατ).
        base: where the base model is from (`tangent.models.export.exporters.Exporter`).
        license: as the hub abbreviates it.
        accuracies: fractions, by column and task; those of the exported model in `ACCURACY`.
        heads: tasks whose heads lie beside the model.
        left_out: why there is no second format; None: there is.
        hashes: what the model was made of or consists of, and what identifies that.
    """

    model: str
    mode: str
    seed: int
    tasks: Sequence[str]
    coefficient: float
    how: str
    is_linearized: bool
    base: Mapping[str, Any]
    license: str
    accuracies: Mapping[str, Mapping[str, float]]
    heads: Sequence[str]
    left_out: str | None
    hashes: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Write the card into an exported folder."""
        text = "\n\n".join((f"---\n{self._data()}\n---", *self._sections()))
        write_text(folder / FILE, text + "\n")

    def _data(self) -> str:
        from huggingface_hub import EvalResult, ModelCardData

        tested = self.accuracies.get(ACCURACY, {})
        results = [
            EvalResult(
                task_type="image-classification",
                dataset_type=task,
                dataset_name=task,
                dataset_split="test",
                metric_type="accuracy",
                metric_value=accuracy,
            )
            for task, accuracy in tested.items()
        ]
        data = ModelCardData(
            model_name=self.model,
            base_model=self.base.get("hub") or None,
            license=self.license,
            library_name=None if self.is_linearized else "open_clip",
            pipeline_tag="zero-shot-image-classification",
            tags=["task-arithmetic", "clip"],
            eval_results=results or None,
        )
        return data.to_yaml()

    def _sections(self) -> Iterator[str]:
        sign, size = "−" if self.coefficient < 0 else "+", abs(self.coefficient)
        edited = f"θ0 {sign} {size:g}·τ"
        formula = f"f(x; θ0) {sign} {size:g}·J(x)τ" if self.is_linearized else f"f(x; {edited})"
        yield f"# {self.model}, edited by task arithmetic"
        yield (
            f"The image encoder is {formula}, by the mode `{self.mode}` of [Task Arithmetic in the "
            f"Tangent Space]({PAPER}); the text encoder is the base model's."
        )
        yield _table(
            ("", ""),
            [
                ("base model (θ0)", self._base()),
                ("task vectors (τ)", ", ".join(self.tasks)),
                ("α", f"{size:g}, {self.how}"),
                ("seed", str(self.seed)),
                ("licence", self._license()),
            ],
        )
        yield "## Accuracy on test images (%)"
        yield self._accuracies()
        yield "## Loading"
        yield "`FOLDER` is this folder, or what `huggingface_hub.snapshot_download` returns."
        yield from self._loading()
        yield "## Provenance"
        yield _table(("what", "SHA-256 or version"), [*self.hashes.items()])

    def _base(self) -> str:
        if "name" in self.base:
            tag = self.base.get("tag", "random weights")
            return f"{self.base['name']} ({tag}) of open_clip"
        return f"`{self.model}`, source `{self.base.get('source', UNKNOWN)}`"

    def _license(self) -> str:
        if self.license != UNKNOWN:
            return self.license
        return "not stated: those of the base model and of the tasks' data bind"

    def _accuracies(self) -> str:
        if not self.accuracies:
            return "Not measured at this α."
        tasks = [*next(iter(self.accuracies.values()))]
        rows = [
            (task, *(f"{100 * of[task]:.2f}" for of in self.accuracies.values())) for task in tasks
        ]
        return _table(("task", *self.accuracies), rows)

    def _loading(self) -> Iterator[str]:
        if self.is_linearized:
            yield (
                "`theta0/` holds the base model, `task_vector.safetensors` τ. "
                "With [open_clip](https://github.com/mlfoundations/open_clip) and `tangent`:"
            )
            yield _code(
                "import open_clip",
                "from tangent import LinearizedEncoder",
                *_loaded("theta0"),
                "vector = FOLDER + '/task_vector.safetensors'",
                "model.visual = LinearizedEncoder.load(model.visual, vector)",
            )
            if PLAIN in self.accuracies:
                yield (
                    "**`plain/` holds the plain weights θ0 + ατ, which are another model**: the "
                    "table says what they lose."
                )
        else:
            yield "With open_clip:"
            yield _code("import open_clip", *_loaded())
            if "tag" in self.base:
                yield (
                    f"or `open_clip.create_model({self.base['name']!r}, pretrained=FOLDER + "
                    "'/open_clip_model.safetensors')`."
                )
            yield self._transformers()
        yield (
            f"`heads/` has zero-shot heads of {', '.join(self.heads)}, [classes, d]; their metadata"
            " name the classes."
        )
        yield _code(
            "import torch",
            "from safetensors.torch import load_file",
            f"head = load_file(FOLDER + '/heads/{self.heads[0]}.safetensors')['weight']",
            "def logits(images):",
            "    features = model.encode_image(images)",
            "    return torch.nn.functional.normalize(features, dim=-1) @ head.T",
        )

    def _transformers(self) -> str:
        if self.left_out:
            return f"It is not in `transformers`' format: {self.left_out}."
        return "With transformers:\n\n" + _code(
            "from transformers import CLIPModel, CLIPProcessor",
            f"same = CLIPModel.from_pretrained(FOLDER + '/{TRANSFORMERS}')",
            f"processor = CLIPProcessor.from_pretrained(FOLDER + '/{TRANSFORMERS}')",
        )


def _loaded(below: str = "") -> list[str]:
    place = f"'local-dir:' + FOLDER + '/{below}'"
    return [
        f"model, _, preprocess = open_clip.create_model_and_transforms({place})",
        f"tokenizer = open_clip.get_tokenizer({place})",
    ]


def _code(*lines: str) -> str:
    return "\n".join(("```python", *lines, "```"))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
