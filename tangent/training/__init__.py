"""Fine-tuning of an image encoder under a frozen head, standard or in the tangent space."""

from tangent.training.checkpoint import Checkpoint, Interrupted
from tangent.training.distributed import PeerFailed, Processes, process_group
from tangent.training.examples import TrainingExamples, training_examples
from tangent.training.history import Record
from tangent.training.loop import Result, Settings, finetune
from tangent.training.schedule import learning_rate
from tangent.training.training_images import TrainingImages

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
