"""What runs again after an edit or a touch: no more than must; the locks of a killed run."""

import os
import signal
import time

SEED3 = "seed 3"
SUMMARY = {
    "keep the study's configuration beside its results",
    "compare with other people's numbers",
    "test the paper's claims",
    "write the paper's tables",
    "write the report",
}
ADDED = {"alpha_sweep", "addition", "addition_tasks", "negation", "random_init"}
DRAWN = {"figure2", "figure5", "figure6", "alpha_curves"}


def without_summary(jobs, tables, figures):
    """The jobs but those of tables, figures and report, which must be the ones given."""
    summary = SUMMARY | {f"collect the tidy table {name}" for name in tables}
    summary |= {f"draw {name}" for name in figures}
    about = ("collect", "compare", "draw", "keep", "test the", "write")
    assert {job for job in jobs if job.startswith(about)} == summary
    return jobs - summary


def test_a_second_run_has_nothing_to_do(finished):
    output = finished.snakemake()
    assert "Nothing to be done" in output


def test_time_stamps_do_not_count(study):
    later = time.time() + 60
    for name in ("Snakefile", "config.yaml", "rules", "scripts", "tangent", "envs", "shipped"):
        path = study.folder / name
        for file in [path, *path.rglob("*")]:
            os.utime(file, (later, later))
    assert study.planned() == set()


def test_comments_docstrings_and_layout_do_not_count(study):
    study.replace("tangent/linearize.py", "from __future__", "# A comment.\n\n\nfrom __future__")
    assert study.planned() == set()


def test_a_figures_code_redraws_that_figure(study):
    study.replace("tangent/figures/figure6.py", "INPUTS =", "EDITED = 1\nINPUTS =")
    assert study.planned() == {"draw figure6", "write the report"}


def test_the_code_of_another_data_source_prepares_nothing_again(study):
    for name in ("hub", "synthetic", "layouts/svhn"):
        file = f"tangent/datasets/sources/{name}.py"
        study.replace(file, "import annotations", "import annotations\nEDITED = 1")
    assert study.planned() == set()
    file = "tangent/datasets/sources/demo.py"
    study.replace(file, "import annotations", "import annotations\nEDITED = 1")
    assert any(job.startswith("prepare the images") for job in study.planned())


def test_the_trainings_code_trains_again(study):
    study.replace("tangent/finetune/schedule.py", "import", "EDITED = 1\nimport")
    jobs = study.planned()
    trained = {job for job in jobs if job.startswith("fine-tune")}
    assert len(trained) == 6
    assert not any(job.startswith(("prepare", "build", "get", "draw random")) for job in jobs)


def test_one_tasks_epochs_retrain_that_task(study):
    study.replace("config.yaml", "counting: 1", "counting: 2")
    tables = ADDED | {"single_task", "disentanglement"}
    jobs = without_summary(study.planned(), tables, DRAWN | {"figure3"})
    modes = ("standard", "posthoc", "linear")
    expected = {
        f"{job} (tiny, {training}, {SEED3})"
        for training in ("standard", "linear")
        for job in ("task vector of counting",)
    }
    expected |= {
        f"fine-tune tiny on counting ({training}, {SEED3})" for training in ("standard", "linear")
    }
    expected |= {
        f"Jacobian-vector products on {dataset} (tiny, {mode}, {SEED3})"
        for dataset in ("shapes", "counting", "glyphs")
        for mode in modes[1:]
    }
    # Look-ups in the products on their data set, which hold those with the sum of all vectors.
    expected |= {
        f"{job} (tiny, {mode}, {SEED3})"
        for job in (
            "single-task accuracy on shapes",
            "choose α of negating shapes",
            "task negation of shapes",
        )
        for mode in modes[1:]
    }
    expected |= {
        f"{job} (tiny, {mode}, {SEED3})"
        for job in (
            "single-task accuracy on counting",
            "choose α of task addition",
            "task addition",
            "choose α of negating counting",
            "task negation of counting",
            "heat map of shapes and counting",
        )
        for mode in modes
    }
    assert jobs == expected


def test_the_grid_of_alpha_trains_nothing(study):
    study.replace("config.yaml", "maximum: 1.0\n  points: 3", "maximum: 1.0\n  points: 5")
    jobs = without_summary(study.planned(), ADDED, DRAWN)
    kinds = {job.split(" (")[0] for job in jobs}
    assert kinds == {
        "choose α of task addition",
        "task addition",
        "choose α of negating shapes",
        "choose α of negating counting",
        "task negation of shapes",
        "task negation of counting",
    }


def test_the_precision_of_evaluations_trains_nothing_and_leaves_kernels(study):
    before = "evaluation_batch_size: 128"
    study.replace("config.yaml", before, f"{before}\n  evaluation_autocast: bfloat16")
    jobs = study.planned()
    assert {"features of tiny at its initial weights (seed 3)"} <= jobs
    assert any(job.startswith("Jacobian-vector products on glyphs") for job in jobs)
    assert any(job.startswith("single-task accuracy on shapes (tiny, standard") for job in jobs)
    done = ("fine-tune", "task vector", "build", "eigenfunctions", "check proposition", "prepare")
    assert not any(job.startswith(done) for job in jobs)


def test_two_settings_that_swap_their_values_are_noticed(study):
    study.replace("config.yaml", "components: 3\n  logits: 1", "components: 1\n  logits: 3")
    assert any(job.startswith("eigenfunctions") for job in study.planned())


def test_locks_of_a_killed_run_do_not_stop_the_next_and_those_of_a_live_one_do(study):
    study.replace(
        "tangent/figures/figure6.py", "INPUTS =", "import time\n\ntime.sleep(60)\nINPUTS ="
    )
    live = study.start("figure6")
    locks = study.folder / ".snakemake" / "locks"
    while not (locks.exists() and len(list(locks.iterdir())) == 2):
        assert live.poll() is None, live.communicate()[0]
        time.sleep(0.05)
    assert "locked" in study.snakemake("figure6", fails=True)
    os.killpg(live.pid, signal.SIGKILL)
    live.communicate()
    assert list(locks.iterdir())
    study.replace("tangent/figures/figure6.py", "time.sleep(60)", "time.sleep(0)")
    study.snakemake("figure6")


def test_locks_of_another_machine_are_named_and_removed_by_hand(study):
    study.replace("tangent/figures/figure6.py", "INPUTS =", "EDITED = 1\nINPUTS =")
    (study.folder / ".snakemake" / "running").write_text("another-node")
    lock = study.folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/tiny/figures/figure6.svg\n")
    output = study.snakemake("figure6", fails=True)
    assert "the last Snakemake here ran on another-node and left its locks" in output
    study.snakemake("--unlock")
    study.snakemake("figure6")
