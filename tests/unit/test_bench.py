"""The performance harness: ratios of paired samples, the page's tables, and that each part runs."""

import copy
import re
import subprocess
import time

import numpy as np
import pytest
import torch
from families import make, random_direction
from small_study import ship_checkpoint
from workspace import ROOT

from bench import __main__ as command
from bench.evaluation import re_evaluated_sweep
from bench.harness import TURNS, Setting, compared, is_met, replaced, table
from bench.kernels import dense_kernel
from bench.linear_step import EagerLinearizedModel
from tangent.arithmetic.linearized import jvp_features, linearize, parameters_of
from tangent.jobs.errors import UserError
from tangent.kernels.gram import classifier, ntk_gram
from tangent.models.fetch.fetching import fetch
from tangent.models.heads.zero_shot import ZeroShotHead


def test_a_ratio_is_taken_within_a_turn(rng):
    # Each turn of the machine is slower or faster by up to ten times; the ratio is not.
    slowness = 10 ** rng.uniform(-1, 1, 40)
    ratios = rng.uniform(1, 2, 40)
    found = compared("ours", "theirs", "s", ratios * slowness, slowness)
    ordered = np.sort(ratios)
    assert found["ratio"] == pytest.approx((ordered[19] + ordered[20]) / 2)
    assert ordered[3] <= found["10 %"] <= ordered[4]
    assert ordered[35] <= found["90 %"] <= ordered[36]
    assert found["repetitions"] == 40
    with pytest.raises(ValueError):
        compared("ours", "theirs", "s", [1.0, 2.0], [1.0])


def test_candidates_run_in_turn_each_after_a_warm_up(monkeypatch):
    ran = []
    runs = {"a": lambda: ran.append("a"), "b": lambda: ran.append("b")}
    monkeypatch.setattr(Setting, "now", lambda self: float(4 ** len(ran)))
    for quick, turns in ((False, TURNS), (True, 1)):
        ran.clear()
        times = Setting("cpu", 1, quick=quick).in_turn(runs)
        assert "".join(ran) == "aabb" * turns
        assert times["a"] == [3.0 * 4 ** (4 * turn + 1) for turn in range(turns)]
        assert times["b"] == [3.0 * 4 ** (4 * turn + 3) for turn in range(turns)]


def test_time_of_a_cpu_is_what_it_computed_and_not_what_it_waited():
    setting = Setting("cpu", threads=1)
    assert setting.seconds(lambda: time.sleep(0.2)) < 0.1

    def busy():
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    assert 0.04 < setting.seconds(busy) < 0.2
    assert Setting("cpu", threads=2).seconds(busy) < 0.1


def test_peak_memory_is_that_of_the_tensors():
    held = torch.zeros(1000)

    def run():
        first = torch.ones(5000)
        del first
        second = torch.ones(2000) + torch.ones(2000)  # three at once
        return second.sum()

    peak = Setting("cpu", 1).peak_memory(run, [held, held.view(10, 100)])
    assert peak == pytest.approx(4e-6 * (1000 + 6000), rel=0.02)


def test_a_median_is_of_what_one_run_computes():
    def busy():
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    assert Setting("cpu", 1).seconds(busy, 0.1) == pytest.approx(0.02, rel=0.5)


def test_tables_are_markdown():
    samples = [2.0, 2.2, 2.4], [2.0, 2.0, 2.0]
    rows = [
        compared("ours", "theirs", "s", *samples, 1.7),
        compared("it", "it", "s", *samples, 1.0),
        compared("other", "theirs", "MB", *samples),
    ]
    assert [row["met"] for row in rows] == ["yes", "no", None]
    assert [is_met(3.0, goal) for goal in (3.0, 2.9, None)] == ["yes", "no", None]
    made = table("Steps", rows, "A note.")
    lines = [line for line in made.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 2 + 3
    assert made.startswith("### Steps\n\n") and made.endswith("\nA note.\n")
    assert "| 1.1 |" in lines[2] and lines[4].endswith("|  |  |")
    assert "| 1,234 | 1,235 | 0.123 |" in table("X", [{"a": 1234, "b": 1234.6, "c": 0.1234}])


def test_only_a_parts_own_tables_are_replaced(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"))
    before = page.read_text()
    made = table("X", [{"a": 1}])
    for head in ("first", "again"):
        page.write_text(replaced(page, "cpu growth", f"{head}\n{made}"))
    text = page.read_text()
    first, last = "<!-- bench cpu growth -->", "<!-- /bench cpu growth -->"
    assert text.partition(first)[0] == before.partition(first)[0]
    assert text.partition(last)[2] == before.partition(last)[2]
    inside = text.partition(first)[2].partition(last)[0]
    assert inside.split() == f"again {made}".split()
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
    # A tiny model takes the place of the demo's, which the parts would fetch.
    entry = {"source": "file", "image_size": 32, "folder": str(tmp_path / "shipped")}
    entry["sha256"] = ship_checkpoint(tmp_path / "shipped")
    fetch(entry).write(tmp_path / "models" / "demo-vit", {})
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
    found = re_evaluated_sweep(model, tau, [images[:2], images[2:]], alphas)
    for alpha, features in zip(alphas, found, strict=True):
        torch.testing.assert_close(features, value + alpha * product, rtol=1e-10, atol=1e-10)

    head = torch.randn(2, value.shape[1], dtype=torch.float64)
    f = classifier(model, ZeroShotHead(head.numpy()).on("cpu"))
    dense = dense_kernel(f, theta0, images, chunk=2).view(3, 2, 3, 2)
    ours = ntk_gram(f, theta0, images, logits=[0, 1])
    of_logits = torch.stack([dense[:, c, :, c] for c in (0, 1)])
    torch.testing.assert_close(of_logits, ours, rtol=1e-10, atol=1e-10)


def test_the_eager_reference_has_our_gradients(seed):
    model, images = make("vision transformer")
    step = random_direction(model)
    ours, reference = linearize(model), EagerLinearizedModel(copy.deepcopy(model))
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


def test_the_library_does_not_know_the_bench():
    found = subprocess.run(
        ["grep", "-rnE", r"^\s*(from|import) bench", "tangent", "scripts"], cwd=ROOT, text=True,
        capture_output=True,
    )  # fmt: skip
    assert found.returncode == 1, found.stdout
