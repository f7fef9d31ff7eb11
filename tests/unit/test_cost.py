"""The costs of jobs against torch, open_clip and real kernels."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from estimated import DEMO, OPEN_CLIP, cost, demo_config, model_config, on_meta
from workspace import ROOT

from tangent.config.cost import throughput
from tangent.config.cost.budgets import budget
from tangent.config.cost.model_sizes import ModelSizes, architecture, architecture_of
from tangent.config.cost.throughput import Work
from tangent.config.load import load_config
from tangent.models.heads.zero_shot import ZeroShotHead


def entry_of(name):
    return DEMO if name == "demo-vit" else {"source": "open_clip", "name": name}


@pytest.fixture
def demo():
    return demo_config()


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

    from tangent.arithmetic.forward_mode import forward_mode_attention
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
    task = demo.tasks[0]
    work = cost(load_config(content), "finetuned", task=task, training=training).work
    per_image = work.images / (demo.epochs_of("demo-vit", task) * demo.splits_of(task).train)
    forwards = per_image * throughput.COST[work.kind]
    assert 2 * forwards * architecture(config).image_flops == pytest.approx(
        flops.get_total_flops(), rel=0.05
    )


@pytest.mark.parametrize("quick_gelu", [False, True])
@pytest.mark.parametrize("linear", [False, True])
def test_activations_are_those_that_autograd_keeps(linear, quick_gelu, rng):
    from tangent.arithmetic.forward_mode import forward_mode_attention
    from tangent.arithmetic.linearized import linearize
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

    datasets = [*demo.tasks, demo.control]
    counted = sum(
        getattr(demo.splits_of(dataset), split)
        * per_image(len(demo.product_vectors("demo-vit", dataset, split)))
        for dataset in datasets
        for split in ("validation", "test")
    )
    costs = [cost(demo, "products", dataset=name) for name in datasets]
    forwards = throughput.COST["tangent"] * sum(of.work.images for of in costs)
    assert forwards * architecture(config).image_flops == pytest.approx(counted, rel=0.05)


def test_sizes_of_splits_are_those_of_the_protocol(demo):
    from tangent.data.preparation import cut_validation

    for task in demo.tasks:
        n = demo.datasets[task].train_images
        train, validation = cut_validation(n, demo.validation.fraction, demo.validation.maximum)
        sizes = demo.splits_of(task)
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
    pair = {"task_1": "shapes", "task_2": "letters"}
    assert (
        len(asked) * images == cost(config, "disentanglement", mode="standard", **pair).work.images
    )
    assert cost(config, "disentanglement", mode="posthoc", **pair).work is None


def test_gradients_are_as_many_as_the_kernel_makes(rng):
    from tangent.kernels import gram, kernel_cost

    n, held = int(rng.integers(1, 30)), int(rng.integers(1, 12))
    made = []

    def f(theta, images):
        made.append(1)  # once per chunk of one image, and once to count the classes
        return images @ theta["w"]

    images = torch.randn(n, 3)
    gram.ntk_gram(f, {"w": torch.randn(3, 2)}, images, None, [0], 1, held)
    parts = -(-n // held)  # each is held, and all but the last meet later images
    assert len(made) - (2 * parts - 1) == kernel_cost.gram_gradients(n, held)


def test_kernels_of_all_logits_are_estimated_by_their_method(demo):
    from tangent.kernels import kernel_cost
    from tangent.kernels.kernel_cost import GRADIENT_BYTES

    def kernels(logits, images, components, held, device="cpu"):
        sizes = {"logits": logits, "images": images, "components": components}
        section = demo.eigenfunctions.model_copy(update=sizes | {"tasks": ["letters"]})
        config = demo.model_copy(update={"eigenfunctions": section})
        encoder = ModelSizes(GRADIENT_BYTES[device] // held)
        return cost(config, "eigenfunctions", encoder, device, task="letters")

    sets = len(demo.tasks_of("demo-vit")) + 1
    assert kernels(3, 100, 10, 124).work == Work("gradient", 3 * (100 + 100 + 100 * sets))
    dense = kernels("all", 4, 2, 10**6)
    assert dense.work == Work("gradient", (4 + 4 + 4 * sets) * (1 + 2 * 26) / 3)
    products = kernels("all", 100, 10, 5)  # directions, too, in two passes
    found = 6 * kernel_cost.products(2600, 10)
    assert products.work == Work("tangent", (100 * found + (200 + 100 * sets) * (2 + 20)) / 3)
    on_a_gpu = kernels("all", 100, 10, 64, "cuda")
    assert on_a_gpu.memory > 11 * (GRADIENT_BYTES["cuda"] // 64)


SMALLER = {
    "compute.memory.kernels": 0.5,
    "compute.memory.products": 0.1,
    "compute.memory.images": 0.01,
    "compute.evaluation_batch_size": 8,
    "eigenfunctions.images": 10,
    "eigenfunctions.components": 2,
    "eigenfunctions.logits": 1,
    "finetuning.models.demo-vit.accumulation_steps": 4,
    "finetuning.models.demo-vit.activation_checkpointing": ["standard", "linear"],
    "finetuning.models.demo-vit.processes": 2,
}


def changed(config, key, value):
    content = config.model_dump()
    *levels, last = key.split(".")
    place = content
    for level in levels:
        place = place.setdefault(level, {})
    place[last] = value
    return load_config(content)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_key_that_is_said_to_lower_a_jobs_memory_does(demo, device):
    """And every memory budget is one of them."""
    sizes = architecture_of({"source": "open_clip", "name": OPEN_CLIP[0]}, "B").sizes
    jobs = [
        ("features", {"dataset": "letters"}),
        ("finetuned", {"task": "letters", "training": "linear"}),
        ("finetuned", {"task": "letters", "training": "standard"}),
        ("products", {"dataset": demo.control, "mode": "linear"}),
        ("validate_addition", {"mode": "standard"}),
        ("single_task", {"task": "letters", "mode": "standard"}),
        ("eigenfunctions", {"task": "letters"}),
        ("proposition1", {}),
    ]
    named = set()
    for rule, wildcards in jobs:
        before = cost(demo, rule, sizes, device, **wildcards)
        named |= {*before.keys}
        for key in before.keys:
            after = cost(changed(demo, key, SMALLER[key]), rule, sizes, device, **wildcards)
            assert after.weights * sizes.encoder + after.memory < (
                before.weights * sizes.encoder + before.memory
            ), (rule, key)
    assert named == SMALLER.keys()


def test_a_budget_is_the_configurations_or_the_devices(demo):
    given = changed(demo, "compute.memory.kernels", 1.5)
    assert [budget(given, "kernels", device) for device in ("cpu", "cuda")] == [3 * 2**29] * 2
    defaults = {"kernels": (1.25, 16), "products": (2, 16)}  # GiB, on a CPU and a GPU
    for what, gibibytes in defaults.items():
        found = [budget(demo, what, device) for device in ("cpu", "cuda")]
        assert found == [number * 2**30 for number in gibibytes]


def test_the_estimate_needs_no_torch():
    code = "import sys, tangent.config.cost.cost_table; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_memory_of_a_training_falls_with_accumulation_and_rises_with_tangents(demo):
    model = architecture_of({"source": "open_clip", "name": OPEN_CLIP[2]}, "ViT-L-14")

    def peak(training, **settings):
        own = demo.finetuning_of("demo-vit").model_copy(update=settings)
        tuning = demo.finetuning.model_copy(update={"models": {"demo-vit": own}})
        config = demo.model_copy(update={"finetuning": tuning})
        found = cost(config, "finetuned", model.sizes, task="letters", training=training)
        return found.weights * model.sizes.encoder + found.memory

    states = 16 * model.encoder_parameters
    assert states < peak("standard", accumulation_steps=128) < peak("standard")
    assert peak("standard") < peak("linear")
    checkpointed = peak("linear", activation_checkpointing=["linear"])
    assert checkpointed < 0.4 * peak("linear")
