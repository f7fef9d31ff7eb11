"""The training loop, one for both trainings (docs/protocol.md, "Fine-tuning").

A linearized model has the plain one's signature and its parameters are θ, not τ: so the loop does
not know which it trains, and weight decay pulls θ towards zero in both.
"""

import logging
import math
import re
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tangent.arithmetic.linearized import linearize
from tangent.arithmetic.modes import TRAININGS, look_up
from tangent.arithmetic.recomputed import recompute_blocks
from tangent.jobs.checkpoint import Checkpoint
from tangent.jobs.errors import Interrupted, UserError
from tangent.jobs.progress import Progress
from tangent.models.heads.head import Head, TorchHead
from tangent.training.batches import Batch, TrainingBatches
from tangent.training.distributed import Processes
from tangent.training.engine import Engine, prepare
from tangent.training.examples import TrainingExamples
from tangent.training.forward_backward import ForwardBackward
from tangent.training.history import Diverged, Record

logger = logging.getLogger("tangent")

# Reading a number from a GPU makes it wait; ten steps' numbers are read at once.
_STEPS_PER_READING = 10


@dataclass(frozen=True)
class Settings:
    """Settings of a fine-tuning; the defaults are the protocol's.

    Attributes:
        training: `standard`, `linear` for the tangent space at θ0, or a further one's name.
        task: name of the task; decides the random numbers together with `seed`.
        seed: the study's seed, for order and augmentation.
        epochs: passes over the training set.
        batch_size: examples per step, over all processes and forward passes.
        learning_rate: AdamW's peak learning rate.
        weight_decay: AdamW's decoupled weight decay, of all parameters θ.
        warmup_steps: steps of the linear warm-up.
        gradient_clip: largest global norm of the gradient.
        autocast: `bfloat16` runs the encoder's matrix products in bfloat16; `none` in float32.
        accumulation_steps: forward and backward passes into which each process divides its share of
            a step's examples. The gradient is that of the whole batch's mean (the authors' code
            adds up the means of the parts).
        activation_checkpointing: `on` computes activations again in the backward pass, which takes
            less memory and more time; `off` keeps them.
        if_diverged: `fail`, or `give_up`: then the result is all NaN.
        compile: `on` runs passes over full batches by compiled code, but with activation
            checkpointing, which runs the blocks one by one.
    """

    training: str
    task: str
    seed: int
    epochs: int
    learning_rate: float
    batch_size: int = 128
    weight_decay: float = 0.1
    warmup_steps: int = 500
    gradient_clip: float = 1.0
    autocast: str = "bfloat16"
    accumulation_steps: int = 1
    activation_checkpointing: str = "off"
    if_diverged: str = "fail"
    compile: str = "off"


class Result(NamedTuple):
    """A finished fine-tuning.

    Attributes:
        state: state dict of the fine-tuned encoder, θ*, in the plain encoder's names.
        buffers: names in `state` that are no parameters, and so no part of a task vector.
        seconds: time of the steps, over all runs if it was resumed.
        engine: whether they ran compiled, and why.
        diverged: whether it was given up at a loss or gradient that is not finite.
    """

    state: dict[str, Tensor]
    buffers: list[str]
    seconds: float
    engine: Engine
    diverged: bool = False


def finetune(
    encoder: nn.Module,
    head: Head,
    examples: TrainingExamples,
    settings: Settings,
    record: Record | None = None,
    checkpoint: Checkpoint | None = None,
    processes: Processes | None = None,
) -> Result:
    """Fine-tune an encoder on one task: the head's loss, the head frozen.

    Args:
        encoder: f(·; θ0), on the device to train on; standard training changes it in place.
        head: the task's.
        examples: the task's training set.
        settings: what to do.
        record: receives a row per step.
        checkpoint: where the state is kept; None trains without one.
        processes: those that train together, each of which calls this function; None is this one.

    Raises:
        Diverged: the loss is not finite, and the settings do not say `give up`.
        UserError: the head does not fit, or the encoder has no activation checkpointing.
        Interrupted: a signal ended the training after its state was saved.
        PeerFailed, PeerGone: another process of the training failed.
    """
    device = next(encoder.parameters()).device
    processes = processes or Processes(device)
    if examples.labels.max() >= head.classes:
        raise UserError(
            f"task {settings.task}: a label is {examples.labels.max()}, but the head has "
            f"{head.classes} classes: head and data set belong to different tasks."
        )
    shares = {"device": device, "rank": processes.rank, "processes": processes.count}
    batches = TrainingBatches(examples, settings.batch_size, settings.seed, settings.task, **shares)
    model = _trained_model(encoder, settings)
    trainer = _Trainer(model, head.on(device), batches, settings, record or Record(), processes)
    diverged = False
    try:
        trainer.run(checkpoint)
    except Diverged as error:
        if settings.if_diverged == "fail":
            raise
        logger.warning("given up: %s", error)
        diverged = True
    state = model.plain_state_dict() if model is not encoder else encoder.state_dict()
    parameters = dict(encoder.named_parameters())
    if diverged:
        state |= {name: torch.full_like(state[name], math.nan) for name in parameters}
    buffers = [name for name in state if name not in parameters]
    return Result(state, buffers, trainer.seconds, trainer.engine, diverged)


def _trained_model(encoder: nn.Module, settings: Settings) -> nn.Module:
    saves_memory = settings.activation_checkpointing == "on"
    training = look_up(TRAININGS, "training", settings.training)
    for name, parameter in encoder.named_parameters():
        if not re.search(training.parameters, name):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in encoder.parameters()):
        raise UserError(
            f"the encoder has no parameter with {training.parameters!r} in its name, which the "
            f"training {settings.training!r} is to change: mend its entry in "
            "tangent/arithmetic/modes.py."
        )
    if training.model == "linearized":
        return linearize(encoder, saves_memory)
    if saves_memory and not recompute_blocks(encoder, True):
        raise UserError(
            f"the encoder ({type(encoder).__name__}) has no activation checkpointing of its own: "
            "remove `standard` from finetuning.models.<model>.activation_checkpointing; a larger "
            "accumulation_steps saves memory too."
        )
    return encoder


def learning_rate(step: int, peak: float, warmup_steps: int, steps: int) -> float:
    """The learning rate of a step (docs/protocol.md, "Fine-tuning").

    Args:
        step: counted from 0 to `steps` - 1.
        peak: learning rate at the end of the warm-up.
        warmup_steps: steps of the linear warm-up: peak · (step + 1) / warmup_steps.
        steps: steps of the whole training; the cosine would reach 0 at step `steps`.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    share = (step - warmup_steps) / (steps - warmup_steps)
    return 0.5 * peak * (1 + math.cos(math.pi * share))


class _Trainer:
    """Everything that changes during a training: parameters, optimiser, step, rows, time."""

    def __init__(
        self,
        model: nn.Module,
        head: TorchHead,
        batches: TrainingBatches,
        settings: Settings,
        record: Record,
        processes: Processes,
    ) -> None:
        self.model, self.batches, self.settings = model, batches, settings
        self.record, self.processes = record, processes
        self.forward_backward = ForwardBackward(model, head, settings.autocast)
        # Examples of a pass, at most.
        self.pass_size = -(-settings.batch_size // (processes.count * settings.accumulation_steps))
        self.parameters = [value for value in model.parameters() if value.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.steps = settings.epochs * batches.steps_per_epoch
        self.step = 0
        self.seconds = 0.0
        self.engine: Engine
        self._unread: list[Tensor] = []

    def run(self, checkpoint: Checkpoint | None) -> None:
        saved = checkpoint.load() if checkpoint else None
        self.engine = self._prepare_engine(Engine(**saved["engine"]) if saved else None)
        if saved:
            self._restore(saved)
            logger.info("resumed after step %d of %d", self.step, self.steps)
        name = f"{self.settings.task} ({self.settings.training})"
        shown = Progress(name, self.steps, done=self.step) if self.processes.is_first else None
        with checkpoint or nullcontext(), shown or nullcontext() as progress:
            started = time.monotonic() - self.seconds
            for batch in self.batches.from_step(self.step, self.settings.epochs):
                values = self._gradients(batch)
                stop = self.processes.agree(checkpoint.stop_signal if checkpoint else None)
                self._unread.append(self._update(values))
                self.step += 1
                if len(self._unread) == _STEPS_PER_READING or self.step == self.steps:
                    self._read(progress)
                # After the reading, which waits for a GPU to finish.
                self.seconds = time.monotonic() - started
                if checkpoint and self.step < self.steps:
                    if self.processes.is_first and (stop or checkpoint.is_due):
                        self._read(progress)
                        checkpoint.save(self._state())
                    if stop:
                        self.processes.agree()  # the last one to be ready ends the others' wait
                        raise Interrupted(stop, f"step {self.step}")

    def _prepare_engine(self, begun: Engine | None) -> Engine:
        settings, batches = self.settings, self.batches
        wanted = settings.compile == "on" and settings.activation_checkpointing == "off"
        share = len(range(batches.rank, settings.batch_size, batches.processes))
        like = batches.examples.like(min(self.pass_size, share))
        return prepare(self.forward_backward, wanted, like, begun)

    def _gradients(self, batch: Batch) -> Tensor:
        """Add up this process's part of the gradient; returns its part of loss and accuracy [2]."""
        self.optimizer.zero_grad(set_to_none=True)
        scale = batch.weight / batch.size
        inputs, labels = (part.split(self.pass_size) for part in (batch.inputs, batch.labels))
        return sum(self.forward_backward(*part, scale) for part in zip(inputs, labels, strict=True))

    def _update(self, values: Tensor) -> Tensor:
        """Take the step; returns loss, accuracy and gradient norm [3] of the whole batch."""
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(self.step)
        gradients = [value.grad for value in self.parameters if value.grad is not None]
        self.processes.sum([*gradients, values])
        norm = nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip, foreach=True)
        self.optimizer.step()
        return torch.cat([values, norm.view(1)])

    def _learning_rate(self, step: int) -> float:
        settings = self.settings
        return learning_rate(step, settings.learning_rate, settings.warmup_steps, self.steps)

    def _read(self, progress: Progress | None) -> None:
        """Bring the numbers of the steps not read yet from the device into the record."""
        if not self._unread:
            return
        values = torch.stack(self._unread).double().tolist()
        first = self.step - len(values)
        rows = [
            (step, step // self.batches.steps_per_epoch, self._learning_rate(step), *row)
            for step, row in enumerate(values, start=first)
        ]
        self.record.extend(rows)
        if progress:
            progress.update(len(values), {"loss": values[-1][0], "accuracy": values[-1][1]})
        self._unread.clear()

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "engine": self.engine._asdict(),
            "parameters": [parameter.detach() for parameter in self.parameters],
            "optimizer": self.optimizer.state_dict(),
            "rows": torch.tensor(self.record.rows, dtype=torch.float64),
        }

    def _restore(self, saved: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.parameters, saved["parameters"], strict=True):
                parameter.copy_(value)
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.record.extend(saved["rows"].tolist())
