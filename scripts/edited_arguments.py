"""Arguments of every evaluation of edited models, and the edited model that they describe.

This is the one place that asks whether a mode is evaluated plain or linearized.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from scripts import cli
from tangent.arithmetic.modes import MODES, look_up
from tangent.data.split import split_path
from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.evaluation_task import EditedModel, EvaluationTask, head_path
from tangent.evaluation.feature_tables import StoredProducts, Table, stored_features
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_record

FLAGS = {"plain": ("pretrained_dir", "encoder", "task_vectors"), "linearized": ("products",)}


class EditedArguments(cli.Common):
    model: str = cli.argument("name of the model")
    mode: str = cli.argument("standard, posthoc or linear")
    seed: int = cli.argument("study seed of the task vectors")
    heads_dir: Path = cli.argument("folder of the heads, {task}/head.safetensors")
    head_kind: str | None = cli.argument(
        "kind that the heads must be of: zero_shot, probe, …", None
    )
    datasets_dir: Path = cli.argument("folder of the data sets, {task}/{split}.safetensors")
    initial_features: dict[str, Path] = cli.argument("a folder of f(x; θ0) per data set")
    pretrained_dir: Path | None = cli.argument("plain: folder of the pre-trained model", None)
    encoder: Path | None = cli.argument("plain: encoder weights θ0 (safetensors)", None)
    task_vectors: dict[str, Path] | None = cli.argument("plain: a task vector per name", None)
    batch_size: int = cli.argument("plain: images per pass", 256)
    autocast: Literal["bfloat16", "none"] = cli.argument("plain: precision", "none")
    device: str = cli.argument("plain: auto, cpu, cuda or cuda:<index>", "auto")
    threads: int = cli.argument("plain: threads of torch on the CPU", 1)
    image_memory: int | None = cli.argument(
        "plain: bytes for images that are kept; the device's default without", None, False
    )
    products: dict[str, Path] | None = cli.argument(
        "linearized: a folder of J(x)τ per data set", None
    )

    if_out_of_memory = "Lower compute.evaluation_batch_size or compute.memory.images."

    def identity(self) -> dict[str, Any]:
        """What the result is about."""
        return {"model": self.model, "mode": self.mode, "seed": self.seed}

    def load_task(self, name: str) -> EvaluationTask:
        """Head and labels of a task."""
        return EvaluationTask.load(name, self.heads_dir, self.datasets_dir, self.head_kind)

    def edited_model(self) -> EditedModel:
        """The edited model of the mode.

        Raises:
            UserError: unknown mode, a flag that the mode needs is missing, or an unreadable file.
        """
        kind = self._kind()
        missing = [flag for flag in FLAGS[kind] if getattr(self, flag) is None]
        if missing:
            flags = ", ".join("--" + flag.replace("_", "-") for flag in missing)
            raise UserError(f"mode {self.mode!r} is evaluated {kind}, which needs {flags}.")
        initial = stored_features(self.initial_features)
        if kind == "linearized":
            return LinearizedEditedModel(initial, StoredProducts(self.products))
        return self._plain_model(initial)

    def linearized_model(self) -> LinearizedEditedModel:
        """The edited model of a linearized mode, for what is only looked up.

        Raises:
            UserError: as `edited_model`, or the mode is evaluated by running the model.
        """
        if self._kind() != "linearized":
            raise UserError(
                f"mode {self.mode!r} is evaluated {self._kind()}: this step looks features up and "
                "takes linearized modes alone."
            )
        return self.edited_model()

    def write_of(
        self,
        path: Path,
        result: Mapping[str, Any],
        tasks: Sequence[str],
        splits: Sequence[str],
        others: Iterable[Path] = (),
    ) -> None:
        """Write a result that was computed from `tasks` on `splits`, and from `others`."""
        inputs = [head_path(self.heads_dir, task) for task in tasks]
        folders = [self.datasets_dir / task for task in tasks]
        folders += self.initial_features.values()
        if self._kind() == "linearized":
            folders += self.products.values()
        else:
            from tangent.models.families import config_path

            inputs += [config_path(self.pretrained_dir), self.encoder, *self.task_vectors.values()]
        inputs += [split_path(folder, split) for folder in folders for split in splits]
        self.write(path, result, [*inputs, *others])

    def _kind(self) -> str:
        return look_up(MODES, "mode", self.mode).evaluated_as

    def _plain_model(self, initial: Table) -> EditedModel:
        from tangent.arithmetic.task_vector import TaskVector
        from tangent.evaluation.edited_plain import PlainEditedModel
        from tangent.evaluation.features import StoredExamples
        from tangent.jobs import runtime
        from tangent.models.encoders import load_encoder
        from tangent.models.families import preprocess_config

        device = runtime.setup(self.threads, self.device)
        preprocess = preprocess_config(self.pretrained_dir)
        return PlainEditedModel(
            load_encoder(self.pretrained_dir, self.encoder, device),
            {name: TaskVector.load(path) for name, path in self.task_vectors.items()},
            StoredExamples(self.datasets_dir, preprocess, device),
            initial,
            self.batch_size,
            self.autocast,
            self.image_memory,
        )


class AddedArguments(EditedArguments):
    tasks: list[str] = cli.argument("the tasks whose vectors are added")
    single_task: dict[str, Path] = cli.argument("accuracy.json of each task, in the same mode")

    def load_tasks(self) -> list[EvaluationTask]:
        """Heads and labels of the tasks."""
        return [self.load_task(name) for name in self.tasks]

    def single_task_accuracies(self, split: str) -> dict[str, float]:
        """Single-task accuracy on `split` of each task, from its accuracy.json.

        Raises:
            UserError: a task has no file, or the file is not of this task, model, mode and seed.
        """
        missing = [task for task in self.tasks if task not in self.single_task]
        if missing:
            raise UserError(
                f"no single-task accuracy of {', '.join(missing)}: give it too (--single-task "
                "TASK=FILE, made by scripts.single_task)."
            )
        found = {}
        for task in self.tasks:
            path = self.single_task[task]
            content = read_record(path, task=task, **self.identity())
            try:
                found[task] = float(content[split]["accuracy"])
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f"{path} holds no accuracy on split {split!r}: delete it and run its step "
                    "again."
                ) from error
        return found
