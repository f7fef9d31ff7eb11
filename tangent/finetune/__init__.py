"""Fine-tuning of an image encoder under a frozen head, standard or in the tangent space."""

from tangent.finetune.checkpoint import Checkpoint, Interrupted
from tangent.finetune.distributed import PeerFailed, Processes, process_group
from tangent.finetune.examples import TrainingExamples, training_examples
from tangent.finetune.images import TrainingImages
from tangent.finetune.loop import Result, Settings, finetune
from tangent.finetune.record import Record
from tangent.finetune.schedule import learning_rate

__all__ = [
    "Checkpoint",
    "Interrupted",
    "PeerFailed",
    "Processes",
    "Record",
    "Result",
    "Settings",
    "TrainingExamples",
    "TrainingImages",
    "finetune",
    "learning_rate",
    "process_group",
    "training_examples",
]
