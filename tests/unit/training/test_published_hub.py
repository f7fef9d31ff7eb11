"""Published checkpoints from the hub: the real client against a server on the loopback device."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import mounts
import pytest
import torch
from hub_server import Repository, python, serve
from safetensors.torch import load_file, save

from tangent.jobs.files import read_metadata

COMMIT = "5a" * 20
# Every question in one process: it imports the client once and the client reads HF_ENDPOINT then.
ASK = """
import json, sys
from tangent.jobs.errors import UserError
from tangent.models.published.published_files import download
answers = []
for entry in json.loads(sys.argv[1]):
    try:
        answers.append(str(download("published.tiny.standard.cars", **entry)))
    except UserError as error:
        answers.append(f"error: {error}")
print(json.dumps(answers))
"""


def entry(name: str, file: str = "model.safetensors", revision: str = COMMIT) -> dict[str, str]:
    return {"repository": f"lab/{name}", "revision": revision, "file": file}


def ask(*entries: dict[str, str], prefix: tuple[str, ...] = (), **environment: str) -> list[str]:
    answer = python("-c", ASK, json.dumps(entries), prefix=prefix, **environment)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_a_checkpoint_is_downloaded_once_and_imported(pretrained, tmp_path, seed):
    theta0 = load_file(pretrained / "encoder.safetensors")
    theta = {name: value + 0.01 * torch.randn_like(value) for name, value in theta0.items()}
    content = save(theta)
    repository = Repository(COMMIT, {"weights/tiny.safetensors": content}, ["main"])
    output = tmp_path / "published" / "encoder.safetensors"
    source = {"source": "hub", **entry("tiny", "weights/tiny.safetensors", "main")}
    flags = {
        "source": json.dumps(source),
        "pretrained-dir": pretrained,
        "initial-encoder": pretrained / "encoder.safetensors",
        "training": "standard",
        "task": "cars",
        "model": "tiny",
        "output": output,
    }
    arguments = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    with serve({"lab/tiny": repository}) as hub:
        environment = hub.environment(tmp_path / "home")
        done = python("-m", "scripts", "import_finetuned", *arguments, **environment)
        assert done.returncode == 0, done.stderr
        assert f"is commit {COMMIT}" in done.stderr
        downloads = [line for line in hub.requests if line.startswith("GET")]
        assert downloads == ["GET /lab/tiny/resolve/main/weights/tiny.safetensors"]

    state = load_file(output)
    assert all(torch.equal(state[name], theta[name]) for name in theta)
    about = read_metadata(output)
    published = json.loads(about["published"])
    assert published["commit"] == COMMIT
    assert published["sha256"] == hashlib.sha256(content).hexdigest()
    # Nothing of this machine's cache: the same weights are the same file everywhere.
    assert str(tmp_path / "home") not in "".join(about.values())

    # The server is gone: what is in the cache needs no network.
    offline = environment | {"HF_HUB_OFFLINE": "1"}
    (found,) = ask(entry("tiny", "weights/tiny.safetensors"), **offline)
    assert published["sha256"] in found


def test_every_fault_of_the_hub_is_one_clear_message(tmp_path):
    good = Repository(COMMIT, {"model.safetensors": b"weights"})
    wrong = Repository(COMMIT, good.files, announced={"model.safetensors": "0" * 64})
    gated = Repository(COMMIT, good.files, is_gated=True)
    questions = {
        "has no such model repository, or it is private.*hf auth login": entry("none"),
        "is gated: accept the conditions.*hf auth login": entry("gated"),
        "the repository has no such revision": entry("good", revision="b" * 40),
        "the repository has no such file at that revision": entry("good", "pytorch_model.bin"),
        "SHA-256 is [0-9a-f]{64}, but the hub says 0{64}.*delete /.*/0{64} and": entry("wrong"),
        "could not be downloaded.*Check the repository's name": entry("good", "../model.pt"),
    }
    with serve({"lab/good": good, "lab/gated": gated, "lab/wrong": wrong}) as hub:
        environment = hub.environment(tmp_path / "home")
        answers = ask(*questions.values(), **environment)
    for message, answer in zip(questions, answers, strict=True):
        assert answer.startswith("error: published.tiny.standard.cars: ")
        assert "\n" not in answer
        assert re.search(message, answer), answer
    (answer,) = ask(entry("good"), HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "empty"))
    assert "the hub cannot be reached and the file is not in the local cache" in answer


def test_a_damaged_cache_is_noticed_without_a_network(tmp_path):
    content = b"weights" * 100
    with serve({"lab/good": Repository(COMMIT, {"model.safetensors": content})}) as hub:
        environment = hub.environment(tmp_path)
        (before,) = ask(entry("good"), **environment)
    (blob,) = Path(tmp_path, "hub", "models--lab--good", "blobs").iterdir()
    blob.write_bytes(content[:-1] + b"?")
    (after,) = ask(entry("good"), **environment, HF_HUB_OFFLINE="1")
    assert hashlib.sha256(content).hexdigest() in before
    assert f"the hub says {blob.name}" in after and f"delete {blob} and" in after


@pytest.mark.skipif(not mounts.are_allowed(), reason="no file system can be mounted here")
def test_a_full_disk_is_told_from_a_network_that_fails(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    mount = f'mount -t tmpfs -o size=200k none "{home}" && exec "$@"'
    large = Repository(COMMIT, {"model.safetensors": os.urandom(2_000_000)})
    with serve({"lab/large": large}) as hub:
        (answer,) = ask(
            entry("large"), prefix=(*mounts.ALONE, mount, "bash"), **hub.environment(home)
        )
    assert f"no space is left for the download in {home}" in answer
    assert "HF_HOME" in answer and "\n" not in answer
