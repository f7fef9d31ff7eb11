"""The performance harness: ratios of paired samples, the page's tables, and that each part runs."""

import copy
import re
import subprocess
import time

import numpy as np
import pytest
import torch
import yaml
from families import make, random_direction
from snakemake.utils import update_config
from workspace import ROOT

from bench import __main__ as command
from bench import baselines, harness, planning
from bench.tables import Line, Table, lines_table, markdown, replaced
from tangent.arithmetic.linearized import jvp_features, linearize, parameters_of
from tangent.jobs.errors import UserError
from tangent.kernels.gram import classifier, ntk_gram
from tangent.models.heads.zero_shot import ZeroShotHead


def test_a_ratio_is_taken_within_a_turn(rng):
    # Each turn of the machine is slower or faster by up to ten times; the ratio is not.
    slowness = 10 ** rng.uniform(-1, 1, 40)
    ratios = rng.uniform(1, 2, 40)
    found = harness.Ratio.of(list(ratios * slowness), list(slowness))
    ordered = np.sort(ratios)
    assert found.median == pytest.approx((ordered[19] + ordered[20]) / 2)
    assert ordered[3] <= found.low <= ordered[4] and ordered[35] <= found.high <= ordered[36]
    assert found.repetitions == 40
    with pytest.raises(ValueError):
        harness.Ratio.of([1.0, 2.0], [1.0])


def test_candidates_run_in_turn():
    ran = []
    runs = {"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}

    def seconds_of(run):
        run()
        return float(len(ran))

    times = harness.alternate(runs, seconds_of, budget=60.0, repetitions=(1, 3), warm_up=2)
    assert "".join(ran) == "aabb" + "ab" * 3
    assert times == {"a": [5.0, 7.0, 9.0], "b": [6.0, 8.0, 10.0]}
    ran.clear()
    harness.alternate(runs, seconds_of, budget=0.0, repetitions=(2, 9), warm_up=0)
    assert "".join(ran) == "abab"


def test_time_of_a_cpu_is_what_it_computed_and_not_what_it_waited():
    clock = harness.Clock("cpu", threads=1)
    assert clock.seconds(lambda: time.sleep(0.2)) < 0.1

    def busy():
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    assert 0.04 < clock.seconds(busy) < 0.2
    assert harness.Clock("cpu", threads=2).seconds(busy) < 0.1


def test_peak_memory_is_that_of_the_tensors():
    held = torch.zeros(1000)

    def run():
        first = torch.ones(5000)
        del first
        second = torch.ones(2000) + torch.ones(2000)  # three at once
        return second.sum()

    peak = harness.peak_memory(run, "cpu", [held, held.view(10, 100)])
    assert peak == pytest.approx(4 * (1000 + 6000), rel=0.02)


def test_a_median_is_of_what_one_run_computes():
    clock = harness.Clock("cpu", threads=1)

    def busy():
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    assert clock.seconds_per_run(busy, 0.1) == pytest.approx(0.02, rel=0.5)


def test_tables_are_markdown():
    ratio = harness.Ratio.of([2.0, 2.2, 2.4], [2.0, 2.0, 2.0])
    lines = [Line("ours", "theirs", ratio, "s", 1.7), Line("it", "it", ratio, "s", 1.0)]
    lines.append(Line("other", "theirs", ratio, "MB"))
    assert [line.is_met for line in lines] == [True, False, None]
    made = lines_table("Steps", lines, ["A note."])
    rows = [line for line in markdown(made).splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1 and len(rows) == 2 + 3
    assert "A note." in markdown(made) and "| 1.1 |" in rows[2]


def test_only_a_parts_own_tables_are_replaced(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"))
    before = page.read_text()
    table = Table("X", ("a",), [(1,)], ())
    for head in ("first", "again"):
        page.write_text(replaced(page, "cpu growth", f"{head}\n{markdown(table)}"))
    text = page.read_text()
    first, last = "<!-- bench cpu growth -->", "<!-- /bench cpu growth -->"
    assert text.partition(first)[0] == before.partition(first)[0]
    assert text.partition(last)[2] == before.partition(last)[2]
    inside = text.partition(first)[2].partition(last)[0]
    assert inside.split() == f"again {markdown(table)}".split()
    for wrong in ("cpu nothing", "cpu growth -->"):
        with pytest.raises(UserError, match="must hold the lines"):
            replaced(page, wrong, "")
    page.write_text(text + first)
    with pytest.raises(UserError, match="once"):
        replaced(page, "cpu growth", "")


def test_the_page_has_a_place_for_every_part():
    page = ROOT / "docs" / "benchmarks.md"
    for device, sections in {"cpu": command.SECTIONS, "cuda": command.SECTIONS[:-1]}.items():
        for part in sections:
            assert part in replaced(page, f"{device} {part}", "")


def test_every_part_runs_and_writes_nothing_when_quick(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    # Compiling, which tests of its own try, would take as long as all other tests here.
    monkeypatch.setattr("tangent.training.forward_backward.compile_for", lambda model, _: model)
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    arguments = {"threads": 1, "quick": "yes", "folder": tmp_path}
    command.run(command.Arguments(**arguments))
    printed = capsys.readouterr().out
    for title in (
        "Linear fine-tuning step",
        "Evaluating edited models",
        "Eigenfunctions of tangent kernels",
        "Growth",
        "Dry runs",
    ):
        assert f"### {title}" in printed
    assert "standard mode" in printed
    assert not re.search(r"\bnan\b", printed)
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == page
    with pytest.raises(UserError, match="the parts are linear_step"):
        command.run(command.Arguments(**arguments, only=["steps"]))


def test_baselines_compute_what_ours_compute(seed):
    model, images = make("vision transformer")
    tau = random_direction(model)
    theta0 = parameters_of(model)
    value, product = jvp_features(model, theta0, tau, images)
    alphas = [0.0, 0.3, 1.0]
    found = baselines.re_evaluated_sweep(model, tau, lambda: [images[:2], images[2:]], alphas)
    for alpha, features in zip(alphas, found, strict=True):
        torch.testing.assert_close(features, value + alpha * product, rtol=1e-10, atol=1e-10)

    head = torch.randn(2, value.shape[1], dtype=torch.float64)
    f = classifier(model, ZeroShotHead(head.numpy()).on("cpu"))
    dense = baselines.dense_kernel(f, theta0, images, chunk=2).view(3, 2, 3, 2)
    ours = ntk_gram(f, theta0, images, logits=[0, 1])
    of_logits = torch.stack([dense[:, c, :, c] for c in (0, 1)])
    torch.testing.assert_close(of_logits, ours, rtol=1e-10, atol=1e-10)


def test_the_eager_reference_has_our_gradients(seed):
    model, images = make("vision transformer")
    step = random_direction(model)
    ours, reference = linearize(model), baselines.EagerLinearizedModel(copy.deepcopy(model))
    with torch.no_grad():
        moved = {name: value + step[name] for name, value in model.named_parameters()}
        ours.load_parameters(moved)
        for value, (_, target) in zip(reference.theta, moved.items(), strict=True):
            value.copy_(target)
    for module in (ours, reference):
        module(images).square().sum().backward()
    gradients = dict(ours.model.named_parameters())
    for value, name in zip(reference.theta, moved, strict=True):
        torch.testing.assert_close(value.grad, gradients[name].grad, rtol=1e-9, atol=1e-9)


def test_a_planned_study_has_its_size():
    content = planning.study(tasks=7, models=2, seeds=3)
    merged = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    # Tasks that have no file of classes are a problem only where they are missing.
    assert len(content["datasets"]) == 8 and len(content["pretrained"]) == 2
    update_config(merged, content)
    assert merged["seeds"] == [0, 1, 2] and len(content["disentanglement"]["pairs"]) == 3


def test_the_library_does_not_know_the_bench():
    found = subprocess.run(
        ["grep", "-rnE", r"^\s*(from|import) bench", "tangent", "scripts"], cwd=ROOT, text=True,
        capture_output=True,
    )  # fmt: skip
    assert found.returncode == 1, found.stdout
