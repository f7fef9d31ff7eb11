"""T5 models of the hub: what transformers reads of a repository is what the study scores with."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_server import Repository, files_in, serve
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import T5Config, T5ForConditionalGeneration

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.models.encoders import load_encoder
from tangent.models.families import preprocess_config
from tangent.models.heads.stored import load_head
from tangent.models.t5_tokenizer import load_tokenizer, padded_answers
from tangent.tasks.task_files import load_task

COMMIT = "7b" * 20
LENGTH, ANSWER, VOCABULARY, WIDTH = 6, 3, 40, 16
TASK = load_task("shapes")
# Every question in one process: it imports the client once and the client reads HF_ENDPOINT then.
ASK = """
import json, sys
from pathlib import Path
from tangent.jobs.errors import UserError
from tangent.models.fetch.fetching import fetch
answers = {}
for name, entry in json.loads(sys.argv[1]).items():
    try:
        fetch(entry).write(Path(sys.argv[2], name), {"model": name})
        answers[name] = "fetched"
    except UserError as error:
        answers[name] = str(error)
print(json.dumps(answers))
"""


def tokenizer(padding: int = 0, end: int = 1, words: int = VOCABULARY) -> bytes:
    """Words with ids; each text gets an end token, a length and padding, as hub files may ask."""
    vocabulary = {"<pad>": padding, "</s>": end, "<unk>": 2}
    for word in dict.fromkeys(" ".join(TASK.classes).split()):
        vocabulary[word] = len(vocabulary)
    for number in range(words - len(vocabulary)):
        vocabulary[f"word{number}"] = len(vocabulary)
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.enable_truncation(2)
    made.enable_padding(length=9)
    return made.to_str().encode()


def repository(folder: Path, tied: bool) -> Path:
    """A random T5 in transformers' format, or T5 v1.1 as its old checkpoints are."""
    config = T5Config(
        vocab_size=VOCABULARY, d_model=WIDTH, d_kv=4, d_ff=11, num_layers=1, num_decoder_layers=2,
        num_heads=2, feed_forward_proj="relu" if tied else "gated-gelu", tie_word_embeddings=tied,
        decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    model.save_pretrained(folder)
    if not tied:
        state = model.state_dict() | {"lm_head.weight": torch.randn(VOCABULARY, WIDTH)}
        unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
        torch.save(state | {unused: torch.randn(32, 2)}, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        content = read_json(folder / "config.json") | {"tie_word_embeddings": False}
        content.pop("scale_decoder_outputs")
        (folder / "config.json").write_text(json.dumps(content))
    (folder / "tokenizer.json").write_bytes(tokenizer())
    return folder


@pytest.fixture(scope="module")
def repositories(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("repositories")
    return {name: repository(root / name, name == "tied") for name in ("tied", "untied")}


@pytest.fixture(scope="module")
def fetched(repositories, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """The models' folders, and what was said of each repository."""
    good = files_in(repositories["tied"])
    pickled = io.BytesIO()
    torch.save({"shared.weight": Path("x")}, pickled)
    without = {name: content for name, content in good.items() if name != "model.safetensors"}
    fewer = json.loads(good["config.json"]) | {"d_ff": 12}
    bert = json.dumps({"model_type": "bert"}).encode()
    shifted = json.dumps(json.loads(good["config.json"]) | {"pad_token_id": 3}).encode()
    contents = {
        **{name: files_in(folder) for name, folder in repositories.items()},
        "large": good | {"tokenizer.json": tokenizer(words=VOCABULARY + 1)},
        "swapped": good | {"tokenizer.json": tokenizer(padding=1, end=0)},
        "endless": good | {"tokenizer.json": tokenizer().replace(b"</s>", b"</t>")},
        "cut": good | {"tokenizer.json": tokenizer()[:100]},
        "bert": good | {"config.json": bert},
        "shifted": good | {"config.json": shifted},
        "other": good | {"config.json": json.dumps(fewer).encode()},
        "pickled": without | {"pytorch_model.bin": pickled.getvalue()},
        "bare": {n: content for n, content in good.items() if n != "tokenizer.json"},
    }
    hub_repositories = {f"lab/{n}": Repository(COMMIT, files) for n, files in contents.items()}
    entries = {
        name: {
            "source": "transformers",
            "repository": f"lab/{name}",
            "revision": COMMIT,
            "input_length": LENGTH,
            "answer_length": ANSWER,
        }
        for name in contents
    }
    folder = tmp_path_factory.mktemp("fetched")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with serve(hub_repositories) as hub:
        environment = outside | hub.environment(folder / "home")
        answers = ask(entries, folder, environment)
    # The server is gone: what is in the cache needs no network, what is not gets one message.
    few = {"offline": entries["tied"], "absent": entries["tied"] | {"repository": "lab/absent"}}
    return folder, answers | ask(few, folder, environment | {"HF_HUB_OFFLINE": "1"})


def ask(entries: dict, folder: Path, environment: dict[str, str]) -> dict[str, str]:
    arguments = [sys.executable, "-c", ASK, json.dumps(entries), str(folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["tied", "untied"])
def test_scores_are_those_of_transformers_own_loading(
    name, fetched, repositories, script, tmp_path, seed
) -> None:
    folder, said = fetched[0] / name, fetched[1]
    assert said[name] == "fetched"
    script("build_head", pretrained_dir=folder, task=TASK.name, output=tmp_path / "head")
    head, encoder = load_head(tmp_path / "head", "answers"), load_encoder(folder)
    theirs = T5ForConditionalGeneration.from_pretrained(repositories[name]).eval()
    inputs = torch.randint(2, VOCABULARY, (4, LENGTH))
    inputs[1, 3:] = 0
    with torch.no_grad():
        candidates = torch.from_numpy(head.tokens).flatten().expand(len(inputs), -1)
        scores = head.logits(encoder(torch.cat([inputs, candidates], dim=1)).numpy())
        for index, answer in enumerate(TASK.classes):
            padded = padded_answers(load_tokenizer(folder), [answer], ANSWER, "")[0]
            ids = [token for token in padded.tolist() if token != 0]
            assert ids[-1] == 1 and 2 not in ids
            for row, score in zip(inputs, scores[:, index], strict=True):
                loss = theirs(
                    input_ids=row[None],
                    attention_mask=(row != 0).long()[None],
                    labels=torch.tensor([ids]),
                ).loss
                assert score == pytest.approx(-loss.item() * len(ids), rel=1e-4)


def test_a_models_folder_says_what_is_read_of_it(fetched, repositories) -> None:
    folder = fetched[0] / "tied"
    assert preprocess_config(folder) == {"input_length": LENGTH, "answer_length": ANSWER}
    weights = load_file(folder / "t5_model.safetensors")
    assert not {"lm_head.weight", "encoder.embed_tokens.weight"} & weights.keys()
    state = load_encoder(folder).state_dict()
    assert torch.equal(state.pop("table"), weights.pop("shared.weight"))
    assert state.keys() == weights.keys()
    assert all(torch.equal(state[name], weights[name]) for name in state)
    assert "lm_head.weight" in load_file(fetched[0] / "untied" / "t5_model.safetensors")
    # Neither the length nor the padding that a tokenizer's file may ask for.
    tokens = padded_answers(load_tokenizer(folder), ["word1 word2 word3"], 5, "")[0]
    assert tokens[3] == 1 and (tokens != 0).tolist() == [True] * 4 + [False]


def test_a_model_of_the_cache_needs_no_network(fetched) -> None:
    assert fetched[1]["offline"] == "fetched"
    first, again = (fetched[0] / name / "t5_model.safetensors" for name in ("tied", "offline"))
    assert load_file(first).keys() == load_file(again).keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("large", r"tokenizer\.json does not fit.*model\.safetensors: it has 41 tokens, but .* 40"),
        ("swapped", "its token <pad> has the id 1, but the model's has the id 0"),
        ("endless", "its token </s> is missing"),
        ("cut", r"tokenizer\.json is not a tokenizer"),
        ("bert", "the model type 'bert', but only T5 models"),
        ("shifted", "pad_token_id = 3, but T5's is 0"),
        ("other", r"model\.safetensors does not fit the model's architecture: .*has shape"),
        ("pickled", r"pytorch_model\.bin holds pickled objects"),
        ("bare", r"tokenizer\.json of lab/bare .* no such file"),
        ("absent", "the hub cannot be reached and the file is not in the local cache"),
    ],
)
def test_a_repository_that_does_not_fit_is_refused(name, message, fetched) -> None:
    said = fetched[1][name]
    assert re.search(message, said) and "\n" not in said
    assert not (fetched[0] / name).exists()


def test_random_encoders_are_as_transformers_initialises_them(fetched, script, tmp_path) -> None:
    """But for the token table, a constant as the head is: it is the pre-trained one."""
    states = []
    for index, seed in enumerate((0, 0, 1)):
        output = tmp_path / f"{index}.safetensors"
        script("initialize_random", pretrained_dir=fetched[0] / "tied", seed=seed, output=output)
        states.append(load_file(output))
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    weight = "decoder.block.0.layer.1.EncDecAttention.q.weight"
    pretrained = load_file(fetched[0] / "tied" / "encoder.safetensors")
    assert not torch.equal(states[0][weight], states[2][weight])
    assert not torch.equal(states[0][weight], pretrained[weight])
    assert all(torch.equal(state["table"], pretrained["table"]) for state in states)
    theirs = T5ForConditionalGeneration(
        T5Config(**read_json(fetched[0] / "tied" / "t5_config.json")["model_cfg"])
    ).state_dict()
    for name, value in states[0].items():
        expected = theirs["shared.weight" if name == "table" else name].std().item()
        assert value.std().item() == pytest.approx(expected, rel=0.5, abs=1e-6)


def test_answers_that_a_model_cannot_read_are_refused(fetched) -> None:
    tokenizer = load_tokenizer(fetched[0] / "tied")
    known = TASK.classes[0].split()[0]
    tokens = padded_answers(tokenizer, [known, f"{known} {known}"], ANSWER, "task t")
    assert tokens.shape == (2, ANSWER) and (tokens[0] != 0).sum() == 2 and tokens[1, -1] == 1
    assert tokens.dtype == np.int64
    with pytest.raises(UserError, match=r"has 4 tokens with its end token, but the model reads 3"):
        padded_answers(tokenizer, [f"{known} {known} {known}"], ANSWER, "task t")
    with pytest.raises(UserError, match=r"task t: .* does not tell the answers 'abc' and 'xyz'"):
        padded_answers(tokenizer, ["abc", known, "xyz"], ANSWER, "task t")
