"""What `publish` uploads to a hub on the loopback device, as others read it there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from hub_server import TOKEN, Hub, Repository, files_in, python, serve
from safetensors.torch import load_file

from tangent.jobs.errors import UserError
from tangent.jobs.files import write_safetensors

# The hub's storage of large files is beyond the loopback server: then the client uses Git LFS.
WITHOUT_XET = {"HF_HUB_DISABLE_XET": "1"}
COEFFICIENT = 0.5
LOAD = """
import open_clip, sys
from safetensors.torch import save_file
save_file(open_clip.create_model("hf-hub:lab/edited").state_dict(), sys.argv[1])
"""


def publish(hub: Hub, home: Path, *flags: object, **others: str) -> subprocess.CompletedProcess:
    environment = hub.environment(home) | WITHOUT_XET | others
    return python("-m", "scripts", "publish", *map(str, flags), **environment)


def finetuned(path: Path, **about: str) -> Path:
    """A file with what the step of fine-tuning writes into its encoder's metadata."""
    usual = {"model": "tiny", "training": "linear", "task": "cars", "seed": "0", "buffers": "[]"}
    write_safetensors(path, {"weight": torch.ones(2)}, usual | about)
    return path


@pytest.fixture
def encoder(tmp_path) -> Path:
    return finetuned(tmp_path / "encoder.safetensors")


def test_another_site_uses_what_was_published(finetuning, pretrained, heads, script, tmp_path):
    script("finetune", **finetuning)
    encoder = finetuning["output_dir"] / "encoder.safetensors"
    theta0, vector = pretrained / "encoder.safetensors", tmp_path / "vector.safetensors"
    script("extract_task_vector", initial_encoder=theta0, finetuned_encoder=encoder, output=vector)
    exported = tmp_path / "exported"
    edited = {"model": "tiny", "mode": "standard", "seed": 0, "coefficient": COEFFICIENT}
    inputs = {"pretrained_dir": pretrained, "task_vector": vector, "heads_dir": heads}
    script("export", **edited, **inputs, tasks=["shapes"], output_dir=exported)
    expected = files_in(exported)
    (exported / ".snakemake_timestamp").touch()
    (exported / "heads" / ".hidden").write_text("hidden")

    repositories: dict[str, Repository] = {}
    flags = ("--repository", "lab/edited", "--export", exported, "--encoders", encoder)
    imported, loaded = tmp_path / "imported.safetensors", tmp_path / "loaded.safetensors"
    with serve(repositories) as hub:
        done = publish(hub, tmp_path / "home", *flags, HF_TOKEN=TOKEN)
        assert done.returncode == 0, done.stderr
        repository = repositories["lab/edited"]
        assert repository.is_private
        assert f"uploaded to lab/edited (private), commit {repository.commit}" in done.stderr
        entry = yaml.safe_load(done.stdout)["published"]["tiny"]["standard"]["shapes"]
        assert entry["revision"] == repository.commit

        reader = hub.environment(tmp_path / "elsewhere") | {"HF_TOKEN": TOKEN}
        source = ("--source", json.dumps(entry), "--output", str(imported), "--model", "tiny")
        base = ("--pretrained-dir", str(pretrained), "--initial-encoder", str(theta0))
        names = ("--training", "standard", "--task", "shapes")
        read = python("-m", "scripts", "import_finetuned", *source, *base, *names, **reader)
        assert read.returncode == 0, read.stderr
        read = python("-c", LOAD, str(loaded), **reader)
        assert read.returncode == 0, read.stderr

    others = {name: repository.files[name] for name in repository.files.keys() - {entry["file"]}}
    assert others == expected
    start, end = load_file(theta0), load_file(encoder)
    found = load_file(imported)
    assert found.keys() == end.keys()
    assert all(torch.equal(found[name], end[name]) for name in end)
    whole = load_file(loaded)
    for name, value in start.items():
        by_hand = value + COEFFICIENT * (end[name] - value)
        torch.testing.assert_close(whole[f"visual.{name}"], by_hand, rtol=1e-5, atol=1e-6)
    # Provenance knows where files lie here; it must not leave this machine.
    here = str(tmp_path.parent).encode()
    assert here in encoder.read_bytes()
    assert not any(here in content for content in repository.files.values())


def test_a_dry_run_lists_all_and_asks_nothing_of_the_hub(encoder, tmp_path):
    with serve({}) as hub:
        flags = ("--repository", "lab/edited", "--encoders", encoder, "--dry-run")
        done = publish(hub, tmp_path / "home", *flags)
        assert (done.returncode, done.stdout, hub.requests) == (0, "", [])
    assert "finetuned/tiny/linear/cars/encoder.safetensors" in done.stderr
    assert "would be uploaded to lab/edited (private)" in done.stderr


def test_what_the_hub_does_not_allow_is_one_clear_message_and_uploads_nothing(encoder, tmp_path):
    def error(*flags: str, **environment: str) -> str:
        done = publish(hub, tmp_path / "home", "--encoders", encoder, *flags, **environment)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        return done.stderr.splitlines()[-1]

    there = {"lab/public": Repository("a" * 40, {}, ["main"])}
    with serve(there) as hub:
        new, public = ("--repository", "lab/new"), ("--repository", "lab/public")
        assert "there is no token to upload with: let HF_TOKEN" in error(*new)
        assert hub.requests == []
        assert "the hub refuses the token" in error(*new, HF_TOKEN="another")
        unreachable = error(*new, HF_TOKEN=TOKEN, HF_HUB_OFFLINE="1")
        assert "the upload failed: " in unreachable and "HF_HUB_OFFLINE" in unreachable
        assert there.keys() == {"lab/public"}
        assert "exists and is public, so nothing was uploaded" in error(*public, HF_TOKEN=TOKEN)
        assert there["lab/public"].files == {}
        done = publish(
            *(hub, tmp_path / "home", "--encoders", encoder, *public, "--visibility", "public"),
            HF_TOKEN=TOKEN,
        )
        assert done.returncode == 0, done.stderr
        assert len(there["lab/public"].files) == 1


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"model": "tiny-random"}, "fine-tuned from random weights"),
        ({"seed": "1"}, "are both of tiny, linear, cars"),
    ],
)
def test_encoders_that_have_no_entry_are_refused(about, message, encoder, script, tmp_path):
    other = finetuned(tmp_path / "other.safetensors", **about)
    with pytest.raises(UserError, match=message):
        script("publish", repository="lab/new", encoders=[encoder, other], dry_run=[])


def test_what_is_no_encoder_no_exported_folder_or_no_name_is_refused(encoder, script, tmp_path):
    vector = tmp_path / "vector.safetensors"
    write_safetensors(vector, {"weight": torch.ones(2)}, {"model": "tiny", "seed": "0"})
    for flags, message in (
        ({"encoders": vector}, "is no encoder that was fine-tuned here"),
        ({"encoders": tmp_path / "none.safetensors"}, "none.safetensors does not exist"),
        ({"export": tmp_path}, "is no complete exported folder"),
        ({}, "give --export, --encoders or both"),
        ({"encoders": encoder, "repository": "edited"}, "must be owner/name, not 'edited'"),
    ):
        with pytest.raises(UserError, match=message):
            script("publish", **{"repository": "lab/new", **flags}, dry_run=[])
