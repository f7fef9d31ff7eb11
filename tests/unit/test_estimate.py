"""The estimate's numbers against torch, open_clip, real files and real kernels."""

import dataclasses
import json
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
import yaml
from workspace import ROOT

from tangent.config.cost import disk, passes, throughput
from tangent.config.cost import job_memory as memory
from tangent.config.cost.cost_table import WIDTH, as_text
from tangent.config.cost.model_sizes import architecture, architecture_of
from tangent.config.cost.passes import Jobs, Work, jobs_of, sizes_of
from tangent.config.cost.study import estimate
from tangent.config.cost.throughput import CPU, Machine, Measurement, find_gpu, known_gpus
from tangent.config.load import load_config
from tangent.jobs.errors import UserError
from tangent.models.heads.zero_shot import ZeroShotHead

OPEN_CLIP = ("ViT-B-32-quickgelu", "ViT-B-16-quickgelu", "ViT-L-14-quickgelu")
DEMO = {"folder": str(ROOT / "pretrained" / "demo-vit")}


def model_config(name):
    import open_clip

    if name == "demo-vit":
        path = ROOT / "pretrained" / "demo-vit" / "open_clip_config.json"
        return json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
    return open_clip.get_model_config(name)


def on_meta(name):
    """The whole model without its numbers."""
    import open_clip

    with torch.device("meta"):
        return open_clip.CLIP(**model_config(name)).eval()


def entry_of(name):
    return DEMO if name == "demo-vit" else {"source": "open_clip", "name": name}


@pytest.fixture
def demo():
    return load_config(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", [*OPEN_CLIP, "demo-vit"])
def test_parameters_and_arithmetic_are_those_of_the_real_model(name):
    from torch.utils.flop_counter import FlopCounterMode

    model, found = on_meta(name), architecture_of(entry_of(name), name)
    count = sum(value.numel() for value in model.visual.parameters())
    assert found.encoder_parameters == count
    assert found.parameters == sum(value.numel() for value in model.parameters())
    images = torch.empty(2, 3, found.image_size, found.image_size, device="meta")
    with FlopCounterMode(display=False) as flops:
        features = model.visual(images)
    assert features.shape[1] == found.embedding
    assert 2 * found.image_flops == pytest.approx(flops.get_total_flops(), rel=0.02)
    texts = torch.zeros(2, found.text.tokens, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as flops:
        model.encode_text(texts)
    assert 2 * found.text_flops == pytest.approx(flops.get_total_flops(), rel=0.02)


@pytest.mark.parametrize("recomputes", [False, True])
@pytest.mark.parametrize("training", ["standard", "linear"])
def test_the_arithmetic_of_a_step_is_what_torch_counts(training, recomputes, demo):
    from torch.utils.flop_counter import FlopCounterMode

    from tangent.arithmetic.linearized import forward_mode_attention
    from tangent.models.clip import new_encoder
    from tangent.training.loop import Settings, _trained_model

    config = model_config("demo-vit")
    config["vision_cfg"] = dict(layers=6, width=128, patch_size=8, image_size=32)
    switch = "on" if recomputes else "off"
    settings = Settings(training, "toy", 0, 1, 1e-5, activation_checkpointing=switch)
    model = _trained_model(new_encoder({"model_cfg": config}).eval(), settings)
    with forward_mode_attention(), FlopCounterMode(display=False) as flops:
        model(torch.randn(2, 3, 32, 32)).sum().backward()

    own = {"activation_checkpointing": [training] * recomputes}
    content = demo.model_dump()
    content["finetuning"]["models"] = {"demo-vit": own}
    found = jobs_of(load_config(content), {"demo-vit": 10})
    task, step = demo.tasks[0], f"{training} step"
    work = next(jobs.work for jobs in found if jobs.work and jobs.work.kind == step)
    per_image = work.images / (demo.epochs_of("demo-vit", task) * sizes_of(demo, task).train)
    forwards = per_image * passes.COST[step]
    assert 2 * forwards * architecture(config).image_flops == pytest.approx(
        flops.get_total_flops(), rel=0.05
    )


@pytest.mark.parametrize("quick_gelu", [False, True])
@pytest.mark.parametrize("linear", [False, True])
def test_activations_are_those_that_autograd_keeps(linear, quick_gelu, rng):
    from tangent.arithmetic.linearized import forward_mode_attention, linearize
    from tangent.models.clip import new_encoder

    width = 64 * int(rng.integers(3, 7))
    config = model_config("demo-vit") | {"quick_gelu": quick_gelu}
    config["vision_cfg"] = dict(
        layers=3, width=width, patch_size=4, image_size=4 * int(rng.integers(6, 12))
    )
    encoder = new_encoder({"model_cfg": config})
    model = linearize(encoder) if linear else encoder
    found = architecture(config)
    size = found.image_size
    with forward_mode_attention():
        kept = [kept_bytes(model, torch.randn(n, 3, size, size)) for n in (2, 6)]
    per_image = (kept[1] - kept[0]) / 4
    assert 4 * found.image.activations == pytest.approx(per_image, rel=0.1)


def kept_bytes(model, images):
    """Bytes that the graph of a forward pass keeps, weights aside."""
    known = {value.untyped_storage()._cdata for value in model.state_dict().values()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        features = model(images)
    del features
    return sum(size for size, _ in kept.values())


def test_the_arithmetic_of_products_is_what_torch_counts(demo):
    from torch.utils.flop_counter import FlopCounterMode

    from tangent.arithmetic.linearized import multi_jvp_features, parameters_of
    from tangent.models.clip import new_encoder

    config = model_config("demo-vit")
    config["vision_cfg"] = dict(layers=6, width=128, patch_size=8, image_size=32)
    model, images = new_encoder({"model_cfg": config}).eval(), torch.randn(2, 3, 32, 32)
    theta0 = parameters_of(model)

    @cache
    def per_image(vectors):
        with torch.no_grad(), FlopCounterMode(display=False) as flops:
            multi_jvp_features(model, theta0, [theta0] * vectors, images)
        return flops.get_total_flops() / len(images)

    counted = sum(
        getattr(sizes_of(demo, dataset), split)
        * per_image(len(demo.product_vectors("demo-vit", dataset, split)))
        for dataset in demo.product_datasets("demo-vit")
        for split in ("validation", "test")
    )
    found = jobs_of(demo, {"demo-vit": 10})
    of_mode = [of for of in found if (of.rule, of.model) == ("products", "demo-vit")]
    forwards = passes.COST["tangent"] * sum(of.work.images for of in of_mode)
    assert forwards * architecture(config).image_flops == pytest.approx(counted, rel=0.05)


def test_sizes_of_splits_are_those_of_the_protocol(demo):
    from tangent.data.preparation import cut_validation

    for task in demo.tasks:
        n = demo.datasets[task].train_images
        train, validation = cut_validation(n, demo.validation.fraction, demo.validation.maximum)
        sizes = sizes_of(demo, task)
        assert (sizes.train, sizes.validation) == (len(train), len(validation))


def test_a_heat_map_has_as_many_passes_as_the_model_is_asked_for(demo, rng):
    from tangent.evaluation.disentanglement import PairMember, disentanglement_error

    points, images = int(rng.integers(2, 8)), 5
    minimum = float(rng.choice([-1.0, -0.7]))
    grid = {"minimum": minimum, "maximum": 1.0, "points": points, "images": images}
    config = demo.model_copy(
        update={"disentanglement": demo.disentanglement.model_copy(update=grid)}
    )
    asked = []

    class Edited:
        def features(self, coefficients, dataset, split, rows=None):
            if coefficients:
                asked.append(dataset)
            return rng.normal(size=(images, 3))

    pair = [PairMember(name, ZeroShotHead(np.eye(3))) for name in ("a", "b")]
    disentanglement_error(Edited(), *pair, np.linspace(minimum, 1.0, points))
    assert len(asked) == 2 * passes._heat_map_passes(config)


def test_gradients_are_as_many_as_the_kernel_makes(rng):
    from tangent.kernels import cost, gram

    n, held = int(rng.integers(1, 30)), int(rng.integers(1, 12))
    made = []

    def f(theta, images):
        made.append(1)  # once per chunk of one image, and once to count the classes
        return images @ theta["w"]

    images = torch.randn(n, 3)
    gram.ntk_gram(f, {"w": torch.randn(3, 2)}, images, None, [0], 1, held)
    parts = -(-n // held)  # each is held, and all but the last meet later images
    assert len(made) - (2 * parts - 1) == cost.gram_gradients(n, held)


def test_kernels_of_all_logits_are_reckoned_by_their_method(demo):
    def kernels(logits, images, components, held):
        sizes = {"logits": logits, "images": images, "components": components}
        section = demo.eigenfunctions.model_copy(update=sizes | {"tasks": ["letters"]})
        config = demo.model_copy(update={"eigenfunctions": section})
        [jobs] = [
            jobs
            for jobs in jobs_of(config, {"demo-vit": held})
            if jobs.rule == "eigenfunctions" and jobs.model == "demo-vit"
        ]
        return config, jobs

    from tangent.kernels import cost

    sets = len(demo.tasks_of("demo-vit")) + 1
    _, one_each = kernels(3, 100, 10, 124)
    assert one_each.work == Work("gradient", 3 * (100 + 100 + 100 * sets))
    _, dense = kernels("all", 4, 2, 10**6)
    assert dense.work == Work("gradient", (4 + 4 + 4 * sets) * (1 + 2 * 26) / 3)
    config, products = kernels("all", 100, 10, 5)  # directions, too, in two passes
    found = 6 * cost.products(2600, 10)
    assert products.work == Work("tangent", (100 * found + (200 + 100 * sets) * (2 + 20)) / 3)
    model = architecture_of(DEMO, "demo-vit")
    bounds = {
        device: memory.peak(config, model, products, device) - memory.CONTEXT
        for device in ("cpu", "cuda")
    }
    assert bounds["cpu"] == bounds["cuda"] > 12 * 4 * model.encoder_parameters


def test_the_estimate_needs_no_torch():
    code = "import sys, tangent.config.cost.cost_table; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    import open_clip

    from tangent.models.families import FAMILIES
    from tangent.models.sources import Fetched, write

    config = model_config("demo-vit")
    config["vision_cfg"] |= {"layers": 1, "width": 32, "head_width": 16, "image_size": 16}
    config["text_cfg"] |= {"layers": 1, "vocab_size": 50}
    folder = tmp_path_factory.mktemp("models") / "tiny"
    preprocessing = {"size": 16, "mean": [0.5] * 3, "std": [0.3] * 3}
    content = {"model_cfg": config, "preprocess_cfg": preprocessing}
    model = open_clip.CLIP(**config)
    states = model.state_dict(), model.visual.state_dict()
    write(Fetched(FAMILIES["clip"], content, *states, []), folder, {})
    return folder


@pytest.mark.parametrize("kind", sorted(set(passes.COST) - {"text"}))
def test_every_kind_of_pass_can_be_measured(tiny_model, kind):
    from tangent.config.cost.measuring import Setting, measure

    autocast = "bfloat16" if kind.endswith("step") else "none"
    found = measure(Setting(tiny_model, "tiny", kind, "cpu", 1, 4, autocast, 0.01))
    assert found.parameters == architecture_of({"folder": tiny_model}, "tiny").encoder_parameters
    assert found.images_per_second > 0 and 0.01 < found.memory < 100
    dtype = "bfloat16" if kind.endswith("step") else "float32"
    assert (found.device, found.what, found.dtype) == (CPU, kind, dtype)


def test_the_script_prints_entries_that_the_estimate_reads(tiny_model):
    command = [sys.executable, "-m", "scripts.measure_throughput", "--seconds", "0.01"]
    command += ["--pretrained-dir", str(tiny_model), "--evaluation-batch-size", "2", "--kinds"]
    done = subprocess.run([*command, "forward"], cwd=ROOT, capture_output=True, text=True)
    [entry] = yaml.safe_load(done.stdout)
    assert throughput._measurement(entry).model == "tiny", done.stderr


def test_an_unknown_kind_of_pass_is_refused(tiny_model):
    from tangent.config.cost.measuring import Setting, measure

    with pytest.raises(UserError, match="nothing is known about passes of the kind 'backward'"):
        measure(Setting(tiny_model, "tiny", "backward", "cpu", 1, 4, "none", 0.01))


def measured(**changes):
    model = architecture_of(DEMO, "demo-vit")
    values = dict(
        model="demo-vit", parameters=model.encoder_parameters, flops=model.image_flops,
        device="H200", dtype="float32", what="forward", batch_size=128, images_per_second=1e5,
        memory=3.5, date="2026-01-01", commit="0", how="by hand",
    )  # fmt: skip
    return Measurement(**values | changes)


def test_time_is_measured_before_it_is_assumed():
    model, work = architecture_of(DEMO, "demo-vit"), Work("forward", 2e5)
    assumed = Machine("H200", 0.5, []).time(model, work, "float32")
    assert assumed.basis == "assumed"
    assert assumed.seconds == pytest.approx(2e5 * model.image_flops / (0.5 * 67e12))
    steps = Machine("H200", 0.5, []).time(model, Work("linear step", 2e5), "bfloat16")
    assert steps.seconds == pytest.approx(6 * assumed.seconds * 67 / 989)
    found = Machine("H200", 0.5, [measured()]).time(model, work, "float32")
    assert (found.seconds, found.basis) == (2.0, "measured")
    for other in ({"parameters": 1}, {"dtype": "bfloat16"}, {"device": CPU}, {"what": "tangent"}):
        machine = Machine("H200", 0.5, [measured(**other)])
        assert machine.time(model, work, "float32") == assumed


def test_of_two_measurements_the_last_counts():
    model, work = architecture_of(DEMO, "demo-vit"), Work("forward", 2e5)
    machine = Machine("H200", 0.5, [measured(), measured(images_per_second=4e5)])
    assert machine.time(model, work, "float32").seconds == 0.5


def test_a_cpus_time_is_scaled_by_the_arithmetic():
    small, large = (
        architecture_of(DEMO, "demo-vit"),
        architecture_of({"source": "open_clip", "name": OPEN_CLIP[0]}, "b"),
    )
    machine = Machine(CPU, 0.35, [measured(device=CPU)])
    work = Work("forward", 1e5)
    scaled = machine.time(large, work, "float32")
    assert scaled.basis == "scaled"
    assert scaled.seconds == pytest.approx(large.image_flops / small.image_flops)


def test_measurements_are_complete_and_of_known_devices():
    found = throughput.measurements()
    steps = {"standard step", "linear step"}
    for dtype, kinds in (
        ("float32", {"forward", "tangent", "gradient"} | steps),
        ("bfloat16", {"forward", "tangent"} | steps),
    ):
        on_a_cpu = {entry.what for entry in found if (entry.device, entry.dtype) == (CPU, dtype)}
        assert on_a_cpu >= kinds  # from which those of other models are scaled
    for entry in found:
        assert entry.device in (CPU, *known_gpus()) and entry.dtype in ("bfloat16", "float32")
        assert entry.what in passes.COST and entry.images_per_second > 0 and entry.memory > 0


def test_a_measurement_of_another_form_is_refused(monkeypatch):
    entry = dataclasses.asdict(measured())
    del entry["date"]
    monkeypatch.setattr(throughput, "_read", lambda name: [entry | {"speed": 1}])
    with pytest.raises(UserError, match="has or lacks date, speed"):
        throughput.measurements()


def test_an_unknown_gpu_is_answered_with_the_known_ones():
    with pytest.raises(UserError, match="estimate.gpu: .*'H2000'; known: H200, H100"):
        find_gpu("H2000")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"source": "open_clip", "name": "RN50"},
            "pretrained.x: there is no estimate for the architecture in .*RN50",
        ),
        ({"source": "open_clip", "name": "convnext_base"}, "pretrained.x: there is no estimate"),
        ({"source": "transformers"}, "no estimate for models of the source 'transformers'"),
        (
            {"source": "pretraining", "recipe": "y", "step": 0},
            "pretrained.x: there is no estimate for models of the source 'pretraining'",
        ),
        (
            {"source": "random", "name": "ViT-B-31"},
            "pretrained.x.name: open_clip has no model 'ViT-B-31'",
        ),
        ({"folder": "nowhere"}, "nowhere/open_clip_config.json does not exist"),
    ],
)
def test_an_architecture_that_cannot_be_estimated_is_named(entry, message):
    with pytest.raises(UserError, match=message):
        architecture_of(entry, "x")


def test_memory_of_a_training_falls_with_accumulation_and_rises_with_tangents(demo):
    model = architecture_of({"source": "open_clip", "name": OPEN_CLIP[2]}, "ViT-L-14")

    def peak(kind, **settings):
        own = demo.finetuning_of("demo-vit").model_copy(update=settings)
        tuning = demo.finetuning.model_copy(update={"models": {"demo-vit": own}})
        config = demo.model_copy(update={"finetuning": tuning})
        jobs = Jobs("finetuned", "finetuned", 1, "demo-vit", Work(kind, 1))
        return memory.peak(config, model, jobs, "cuda")

    states = 16 * model.encoder_parameters
    assert states < peak("standard step", accumulation_steps=128) < peak("standard step")
    assert peak("standard step") < peak("linear step")
    checkpointed = peak("linear step", activation_checkpointing=["linear"])
    assert checkpointed < 0.4 * peak("linear step")


def test_published_weights_are_not_trained(demo):
    published = {"demo-vit": {"standard": {"letters": {"source": "hub", "repository": "a/b",
                                                       "revision": "main"}}}}  # fmt: skip
    config = load_config(demo.model_dump() | {"published": published})
    held = {"demo-vit": 10}
    before, after = jobs_of(demo, held), jobs_of(config, held)

    def steps(jobs):
        return sum(
            of.count * of.work.images for of in jobs if of.work and of.work.kind.endswith("step")
        )

    trained = demo.epochs_of("demo-vit", "letters") * sizes_of(demo, "letters").train
    assert steps(before) - steps(after) == trained


def test_downloads_are_the_hubs_copies_and_open_clips_weights(demo):
    content = demo.model_dump()
    hub = {"source": "hub", "repository": "tanganke/dtd", "revision": "main"}
    unknown = {"source": "hub", "repository": "some/thing", "revision": "main"}
    content["datasets"]["letters"]["sources"] = [{"source": "folder", "root": "data"}, hub]
    content["datasets"]["signs"]["sources"] = [unknown]
    content["pretrained"]["demo-vit"] = {
        "source": "open_clip", "name": OPEN_CLIP[0], "tag": "openai", "image_size": 224,
    }  # fmt: skip
    config = load_config(content)
    model = architecture_of({"source": "open_clip", "name": OPEN_CLIP[0]}, "demo-vit")
    weights, *copies = disk.downloads(config, {"demo-vit": model})
    assert weights.size == 4 * sum(value.numel() for value in on_meta(OPEN_CLIP[0]).parameters())
    assert [(copy.what, copy.size) for copy in copies] == [
        ("letters: tanganke/dtd", 629_000_000),
        ("signs: some/thing", None),
    ]
    text = as_text(config, estimate(config, Machine("H200", 0.35)))
    assert "unknown" in text and "at least " in text


@pytest.mark.parametrize("device", [CPU, *known_gpus()])
def test_the_table_fits_its_width_and_adds_up(demo, device):
    found = estimate(demo, Machine(device, 0.35))
    text = as_text(demo, found)
    assert max(map(len, text.splitlines())) <= WIDTH
    jobs = jobs_of(demo, {"demo-vit": 100})
    assert sum(cost.jobs for cost in found.stages.values()) == sum(of.count for of in jobs)
    hours = sum(cost.seconds for cost in found.stages.values())
    assert hours == pytest.approx(sum(cost.seconds for cost in found.models.values()))
    assert ("CPU-h" in text) == (device == CPU) and ("GPU-h" in text) == (device != CPU)
    assert "unknown" not in text
    assert ("- measured:" in text) == (device == CPU)


def test_a_gpu_that_is_too_small_is_warned_of(demo):
    content = demo.model_dump()
    content["pretrained"]["demo-vit"] = {
        "source": "random", "name": OPEN_CLIP[2], "image_size": 224, "seed": 0,
    }  # fmt: skip
    config = load_config(content)
    for gpu, is_small in (("L4", True), ("H200", False)):
        text = as_text(config, estimate(config, Machine(gpu, 0.35)))
        assert ("WARNING" in text) == is_small, text
