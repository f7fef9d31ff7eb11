"""The sum of all task vectors: the paper's task addition (section 2)."""

from collections.abc import Sequence

from tangent.arithmetic.task_vector import TaskVector


def merge(vectors: Sequence[TaskVector]) -> TaskVector:
    """Σ_t τ_t."""
    return TaskVector.sum(vectors)
