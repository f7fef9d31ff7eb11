"""T5 as an encoder with its head of answers, against transformers' own model and loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5 import modeling_t5

from tangent.arithmetic.linearized import linearize, parameters_of
from tangent.models import t5
from tangent.models.heads import answers as answers_module
from tangent.models.heads.answers import AnswersHead

VOCABULARY, LENGTH, ANSWER = 19, 7, 3

pytestmark = pytest.mark.usefixtures("seed")
variants = pytest.mark.parametrize(
    ("tied", "feed_forward"), [(True, "relu"), (False, "gated-gelu")], ids=["T5", "T5 v1.1"]
)


@pytest.fixture
def exact_norms(monkeypatch) -> None:
    """transformers rounds to float32 within its norm, whatever the type of the model."""

    def forward(self: modeling_t5.T5LayerNorm, states: Tensor) -> Tensor:
        mean = states.pow(2).mean(-1, keepdim=True)
        return self.weight * states * torch.rsqrt(mean + self.variance_epsilon)

    monkeypatch.setattr(modeling_t5.T5LayerNorm, "forward", forward)


def reference(tied: bool, feed_forward: str) -> T5ForConditionalGeneration:
    """transformers' model at random weights, float64, with dropout that evaluation leaves out."""
    # d_model^-0.5 is a power of 2: in float32, where heads are kept, the scaled head is exact.
    config = T5Config(
        vocab_size=VOCABULARY, d_model=16, d_kv=3, d_ff=11, num_layers=2, num_heads=2,
        num_decoder_layers=3, relative_attention_num_buckets=6, relative_attention_max_distance=7,
        feed_forward_proj=feed_forward, tie_word_embeddings=tied, decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(VOCABULARY, 16))
    with torch.no_grad():  # ones of an initialisation would hide mistakes
        for name, value in model.named_parameters():
            if "norm" in name:
                value.add_(0.3 * torch.randn_like(value))
    return model.double().eval()


def ours(model: T5ForConditionalGeneration, answers: Tensor) -> tuple[torch.nn.Module, AnswersHead]:
    """The same weights as an encoder, float64, with the head of some answers."""
    config = t5.configuration(model.config, LENGTH, ANSWER)
    tensors = t5.own_tensors(model.state_dict())
    encoder = t5.new_encoder(config).double().eval()
    encoder.load_state_dict(t5.encoder_state(tensors))
    table = t5.language_model_head(tensors, config).numpy()
    return encoder, AnswersHead(table, answers.numpy(), LENGTH)


def random_tokens(rng: np.random.Generator, rows: int, length: int) -> Tensor:
    """Texts of random lengths that end with the end token, padded [rows, length]."""
    tokens = torch.zeros(rows, length, dtype=torch.int64)
    for row in tokens:
        end = int(rng.integers(length))
        row[:end] = torch.randint(2, VOCABULARY, (end,))
        row[end] = 1
    return tokens


def problem(rng: np.random.Generator, rows: int = 4, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Inputs [rows, L] and answers [classes, T]."""
    return random_tokens(rng, rows, LENGTH), random_tokens(rng, classes, ANSWER)


def together(inputs: Tensor, answers: Tensor) -> Tensor:
    return torch.cat([inputs, answers.flatten().expand(len(inputs), -1)], dim=1)


def loss_of(model: T5ForConditionalGeneration, row: Tensor, answer: Tensor) -> Tensor:
    """transformers' loss of one answer to one input, as its documentation computes it, summed."""
    labels = answer.masked_fill(answer == 0, -100)[None]
    mask = (row != 0).long()[None]
    loss = model(input_ids=row[None], attention_mask=mask, labels=labels).loss
    return loss * (answer != 0).sum()


@variants
@pytest.mark.usefixtures("exact_norms")
def test_scores_are_transformers_losses(tied: bool, feed_forward: str, rng) -> None:
    model = reference(tied, feed_forward)
    inputs, answers = problem(rng)
    encoder, head = ours(model, answers)
    with torch.no_grad():
        losses = [[loss_of(model, row, answer) for answer in answers] for row in inputs]
        features = encoder(together(inputs, answers))
        scores = head.on("cpu").logits(features)
    torch.testing.assert_close(scores, -torch.tensor(losses), rtol=0, atol=1e-10)
    np.testing.assert_allclose(head.logits(features.numpy()), scores, rtol=2e-5)


def test_scores_in_float32_are_those_of_transformers_as_it_is(rng) -> None:
    model = reference(tied=True, feed_forward="relu").float()
    inputs, answers = problem(rng)
    encoder, head = ours(model, answers)
    with torch.no_grad():
        losses = [[loss_of(model, row, answer) for answer in answers] for row in inputs]
        features = encoder.float()(together(inputs, answers))
    np.testing.assert_allclose(head.logits(features.numpy()), -np.array(losses), rtol=2e-5)


@variants
@pytest.mark.usefixtures("exact_norms")
def test_training_has_transformers_gradients(tied: bool, feed_forward: str, rng) -> None:
    """Of the sum over a batch, in every weight but the token table and the head."""
    model = reference(tied, feed_forward)
    inputs, answers = problem(rng)
    encoder, head = ours(model, answers)
    labels = torch.from_numpy(rng.integers(len(answers), size=len(inputs)))
    frozen = head.on("cpu")
    loss = frozen.loss(frozen.logits(encoder(together(inputs, answers))), labels)
    loss.backward()
    expected = sum(
        loss_of(model, row, answers[label]) for row, label in zip(inputs, labels, strict=True)
    )
    torch.testing.assert_close(loss, expected)
    expected.backward()
    theirs = dict(model.named_parameters())
    names = [name for name, _ in encoder.named_parameters()]
    assert set(theirs) - set(names) <= {"shared.weight", "lm_head.weight"}
    for name, parameter in encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures("exact_norms")
def test_linearized_training_has_the_gradient_of_a_double_backward(rng) -> None:
    """The loss of transformers' own model, expanded by autograd's double backward."""
    model = reference(tied=True, feed_forward="gated-gelu")
    model.set_attn_implementation("eager")  # the fused one has no second derivative
    inputs, answers = problem(rng)
    encoder, head = ours(model, answers)
    tokens, frozen = together(inputs, answers), head.on("cpu")
    linearized = linearize(encoder)
    theta0 = parameters_of(encoder)
    tau = {name: 0.1 * torch.randn_like(value) for name, value in theta0.items()}
    linearized.load_parameters({name: theta0[name] + tau[name] for name in theta0})
    labels = torch.from_numpy(rng.integers(len(answers), size=len(inputs)))
    frozen.loss(frozen.logits(linearized(tokens)), labels).backward()

    def features(*weights: Tensor) -> Tensor:
        """Decoder states of transformers' model, one pass for each input and answer."""
        named = dict(zip(theta0, weights, strict=True))
        rows = []
        for row in inputs:
            for answer in answers:
                shifted = torch.cat([answer.new_zeros(1), answer[:-1]])
                mask = (row != 0).long()[None]
                arguments = {"attention_mask": mask, "decoder_input_ids": shifted[None]}
                output = functional_call(
                    model, named, (row[None],), {**arguments, "output_hidden_states": True}
                )
                rows.append(output.decoder_hidden_states[-1][0] * (answer != 0)[:, None])
        return torch.cat(rows).view(len(inputs), -1)

    value, product = torch.autograd.functional.jvp(
        features, tuple(theta0.values()), tuple(tau.values())
    )
    with torch.no_grad():
        torch.testing.assert_close(linearized(tokens), value + product)
    point = [weight.clone().requires_grad_() for weight in theta0.values()]
    states = (value + product).requires_grad_()
    frozen.loss(frozen.logits(states), labels).backward()
    expected = torch.autograd.grad(features(*point), point, states.grad)
    for parameter, gradient in zip(linearized.model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-8, atol=1e-10)


def test_features_depend_neither_on_padding_nor_on_the_batch(rng) -> None:
    model = reference(tied=True, feed_forward="relu")
    inputs, answers = problem(rng, rows=5, classes=4)
    encoder, _ = ours(model, answers)
    tokens = together(inputs, answers)
    with torch.no_grad():
        features = encoder(tokens)
        alone = torch.cat([encoder(row[None]) for row in tokens])
        torch.testing.assert_close(features, alone, rtol=0, atol=1e-12)
        encoder.input_length = LENGTH + 3
        padded = encoder(together(torch.nn.functional.pad(inputs, (0, 3)), answers))
    torch.testing.assert_close(features, padded, rtol=0, atol=1e-12)
    states = features.view(len(inputs), answers.numel(), -1)
    assert not states[:, answers.flatten() == 0].any()
    assert (states[:, answers.flatten() != 0].norm(dim=-1) > 0).all()


def test_an_answers_states_do_not_depend_on_the_other_answers(rng) -> None:
    model = reference(tied=False, feed_forward="relu")
    inputs, answers = problem(rng, classes=4)
    encoder, head = ours(model, answers)
    with torch.no_grad():
        together_ = encoder(together(inputs, answers)).view(len(inputs), len(answers), -1)
        for index, answer in enumerate(answers):
            alone = encoder(together(inputs, answer[None]))
            torch.testing.assert_close(together_[:, index], alone, rtol=0, atol=1e-12)


def test_a_head_asks_its_own_question(rng) -> None:
    """Inputs of another task's data set are given this task's answers."""
    inputs, answers = problem(rng)
    _, others = problem(rng, classes=5)
    head = AnswersHead(np.ones((VOCABULARY, 2), np.float32), answers.numpy(), LENGTH)
    asked = head.on("cpu").inputs(together(inputs, others))
    assert torch.equal(asked, together(inputs, answers))


def test_heads_are_joined_and_kept(tmp_path, rng) -> None:
    table = rng.normal(size=(VOCABULARY, 4)).astype(np.float32)
    heads = [AnswersHead(table, problem(rng, classes=n)[1].numpy(), LENGTH) for n in (2, 3)]
    features = [rng.normal(size=(6, head.width)).astype(np.float32) for head in heads]
    joined = AnswersHead.joined(heads)
    joined = AnswersHead.from_arrays(joined.arrays(), tmp_path)
    expected = np.concatenate([h.logits(f) for h, f in zip(heads, features, strict=True)], axis=1)
    found = joined.logits(np.concatenate(features, axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_scores_are_the_same_however_few_logits_are_held(rng, monkeypatch) -> None:
    table = rng.normal(size=(VOCABULARY, 4)).astype(np.float32)
    head = AnswersHead(table, problem(rng)[1].numpy(), LENGTH)
    features = rng.normal(size=(7, head.width)).astype(np.float32)
    whole, in_torch = head.logits(features), head.on("cpu").logits(torch.from_numpy(features))
    np.testing.assert_allclose(whole, in_torch, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(answers_module, "_LOGITS_AT_ONCE", VOCABULARY * head.tokens.size * 2)
    np.testing.assert_allclose(head.logits(features), whole, rtol=1e-6)
    parts = head.on("cpu").logits(torch.from_numpy(features))
    np.testing.assert_allclose(parts, in_torch, rtol=1e-5, atol=1e-5)
