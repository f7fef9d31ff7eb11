"""What each figure of the report shows, and what it does not."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

from tangent.config.schema import Config
from tangent.report.figures.catalogue import figures_of


@dataclass(frozen=True)
class Caption:
    """Text around a figure.

    Attributes:
        title: the figure's title.
        shows: what one sees: axes, marks, averages.
        limits: what must not be read into it.
    """

    title: str
    shows: str
    limits: str


def captions(config: Config) -> dict[str, Caption]:
    """Figure name -> caption, in the order of the report."""
    seeds = len(config.seeds)
    several = seeds > 1
    maps, kernels = config.disentanglement, config.eigenfunctions
    figures = {
        "figure2": Caption(
            "Figure 2. Non-linear advantage",
            "Left: single-task test accuracy of the post-hoc linearized model against the "
            "non-linear one, both from the same standard fine-tuning; a marker is a model, a "
            "colour a task. Below the diagonal, linearizing costs accuracy. Right: what it costs, "
            "(non-linear − post-hoc linear) / (1 − 1/C) for a task of C classes, so that 1 is all "
            "that there is above chance."
            + (" Bars are standard deviations over seeds." if several else ""),
            "It says nothing about sums of task vectors.",
        ),
        "figure5": Caption(
            "Figure 5. Fine-tuning in the tangent space",
            "Single-task test accuracy after linear against standard fine-tuning; a marker is a "
            "model, a colour a task."
            + (" Bars are standard deviations over seeds." if several else "")
            + " Near the diagonal, fine-tuning in the tangent space makes up for the loss of "
            "figure 2.",
            "The two trainings have a learning rate each; the picture depends on both.",
        ),
        "alpha_curves": Caption(
            "Choosing α",
            "Accuracy on validation data against the coefficient α. Left: sum of all task "
            "vectors, mean normalised accuracy. Middle and right: negation, accuracy on the target "
            "task and, relative to the pre-trained model, on the control task. Lines are means "
            "over the tasks"
            + (" and seeds, bands the range over seeds. " if several else ". ")
            + "A marker is a chosen α: for negation one per task, at that task's own accuracy.",
            "Test data play no part here. A mean below the threshold is no contradiction: α is "
            "chosen, and the threshold kept, for each task by itself.",
        ),
        "figure3": Caption(
            "Figure 3. Weight-disentanglement error ξ(α₁, α₂)",
            "How often the model edited with both task vectors and the model edited with one of "
            "them predict different classes, on the one's own task: ξ is the sum of these two "
            "disagreement rates, from 0 (light: disentangled) to 2 (dark), with colours even in "
            "its square root, which tells small errors apart. The red box is the range [−1, 1] of "
            "the α search. "
            f"{maps.points} × {maps.points} points, up to {maps.images} test examples per task"
            + (f", mean over {seeds} seeds." if several else "."),
            "ξ compares predictions, not accuracies: two models that are wrong together agree. "
            "Standard and linear task vectors differ in length: equal α are not equal steps.",
        ),
        "figure6": Caption(
            "Figure 6. Eigenfunction localization",
            f"Local energy E(x) = Σ φ(x)² of the k = {kernels.components} leading eigenfunctions "
            f"of the kernel at θ₀ on n = {kernels.images} training examples of one task, for "
            "held-out examples of that task and examples of the other data sets. "
            + _kernels(config)
            + (" and seeds" if several else "")
            + ": median, quartiles, whiskers from the 5th to the 95th percentile, mean as a "
            "diamond; the axis is logarithmic. On the sample itself the mean is k by construction. "
            "Localized: much energy on the task, little elsewhere.",
            "A finite sample estimates the leading eigenfunctions only. The random initialisation "
            "shows its own study's tasks.",
        ),
        "proposition1": Caption(
            "Proposition 1. A numerical check",
            f"The kernel at θ₀ on up to {kernels.images} training examples each of "
            f"{', '.join(kernels.tasks)}, for one logit, its blocks between tasks multiplied by a "
            "coupling: 0 makes every eigenfunction local, 1 is the model's own kernel. Left: the "
            "largest share of a leading eigenfunction's energy on one task, weighted by eigenvalue "
            f"(1 is localized, 1/{len(kernels.tasks)} spread evenly). Right: kernel regressions, "
            "one per task, are added; squared norm of the others' contribution on a task's "
            "examples, relative to the task's own."
            + (" Lines are means over seeds, bands their range." if several else ""),
            "The weakened kernels belong to no model. That nothing interferes at coupling 0 is "
            "what the proposition says, and that the interference grows as the square of the "
            "coupling is so by construction; the finding is the point at coupling 1, how far the "
            "model's own kernel is from it.",
        ),
        "subsets": Caption(
            "Beyond the paper: sums of fewer tasks",
            "Test accuracy of θ₀ + α Σ τ over subsets of the tasks, on the subset's own tasks, "
            "against their number; α is chosen for each subset on validation data. "
            + _subsets(config)
            + (" A subset counts with its mean over seeds." if several else "")
            + " Lines are means over subsets, bands ± one standard deviation. Dashed: the "
            "pre-trained model, and the single tasks' own accuracy.",
            "A subset's tasks are easy or hard by themselves: a band shows that too. For the "
            "non-linear mode the model would have to run for every subset and α; it is left out.",
        ),
        "emergence": Caption(
            "Emergence during pre-training",
            "The study of each checkpoint of one pre-training against its step; the axis is "
            "logarithmic, with the random initialisation at 0. Accuracies are means over the "
            "tasks: before fine-tuning (diamonds), of single tasks, and after adding all task "
            "vectors at the chosen α. ξ is the mean of figure 3 over the range [−1, 1]² of the α "
            "search and the pairs. Local energy: that of figure 6 on the kernel's own task divided "
            "by that on the other data sets, geometric mean over the kernels; above 1 (dashed) "
            "eigenfunctions lean to their task. It belongs to the checkpoint and to no mode."
            + (f" Lines are means over {seeds} seeds, bands their range." if several else ""),
            "One pre-training: another seed or recipe may have other turning points. All "
            "checkpoints are fine-tuned with the same learning rates and epochs, which were chosen "
            "for none of the early ones; where single tasks are hardly learnt, a small ξ only says "
            "that the task vectors do little.",
        ),
        "rate_sensitivity": Caption(
            "What hangs on the learning rate",
            "Task addition on test data, at the α that validation chose, against mean single-task "
            "validation accuracy: the same pre-trained weights, fine-tuned at several learning "
            "rates. A point is a rate, written beside it"
            + (", mean over the seeds." if several else ".")
            + " Lines join neighbouring rates. A rule that chooses by single tasks takes the "
            "rightmost point of each training.",
            "Choosing among these points by their height would be choosing on test data.",
        ),
    }
    shown = figures_of(config)
    return {name: caption for name, caption in figures.items() if name in shown}


def _subsets(config: Config) -> str:
    """Which subsets there are."""
    most, tasks = config.combinations.subsets_per_size, len(config.tasks)
    if comb(tasks, tasks // 2) <= most:
        return "All subsets of every size."
    return f"Of each size all subsets, or {most} at random where there are more."


def _kernels(config: Config) -> str:
    """Which kernels figure 6 shows, and what a box pools."""
    logits = config.eigenfunctions.logits
    if logits == "all":
        return (
            "One kernel of all the task's output logits together, its eigenfunctions φ(x) vectors "
            "with an entry for each and φ(x)² their squared length; a box pools examples"
        )
    drawn = "one class" if logits == 1 else f"{logits} classes"
    return (
        f"One kernel per output logit ({drawn} of the task, drawn with the seed); a box "
        "pools examples and logits"
    )
