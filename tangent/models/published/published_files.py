"""Published files: on this machine or on the Hugging Face hub, checked by their SHA-256."""

import logging
from pathlib import Path
from typing import Literal, NamedTuple

from tangent.jobs.errors import UserError, first_line, is_full_disk
from tangent.jobs.hub_cache import checked_sha256, no_space
from tangent.jobs.keys import Folder, NonEmptyString, RepositoryId, Section, Sha256
from tangent.jobs.sources import check_sha256

logger = logging.getLogger("tangent")


class LocalFile(NamedTuple):
    """A published file on this machine.

    Attributes:
        path: the file.
        sha256: SHA-256 of its bytes.
        commit: the commit that it is of, if it is from the hub: then it lies in the cache of the
            hub's client, whose paths differ between machines.
    """

    path: Path
    sha256: str
    commit: str | None = None


class PublishedFile(Section):
    """Fine-tuned weights in a file of this machine."""

    source: Literal["file"]
    """`file`: a file of this machine."""
    path: Folder
    """Safetensors, or a torch file that holds tensors only."""
    sha256: Sha256
    """SHA-256 of the file, in hexadecimal."""

    def fetch(self, key: str) -> LocalFile:
        """Compare the file with its SHA-256; `key` is the entry's in the configuration.

        Raises:
            UserError: there is no such file, or it has another SHA-256.
        """
        try:
            check_sha256(self.path, self.sha256, f"{key}.sha256")
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be read ({error.strerror}): {key}.path must name a readable "
                "file."
            ) from error
        return LocalFile(Path(self.path), self.sha256)


class PublishedHub(Section):
    """Fine-tuned weights on the Hugging Face hub."""

    source: Literal["hub"]
    """`hub`: the Hugging Face hub, or its local cache."""
    repository: RepositoryId
    """Repository of the model, `owner/name`."""
    revision: NonEmptyString
    """Commit, tag or branch. The commit found is recorded with the weights."""
    file: Folder = "model.safetensors"
    """File in the repository."""

    def fetch(self, key: str) -> LocalFile:
        """Download the file, or find it in the cache; `key` and errors as for `download`."""
        return download(key, self.repository, self.revision, self.file)


def download(key: str, repository: str, revision: str, file: str) -> LocalFile:
    """Download a file into the hub client's own cache, or find it there without a network.

    The client resumes an interrupted download, shows its progress, and takes a token from where
    `hf auth login` keeps it (or from HF_TOKEN).

    Args:
        key: the entry's key in the configuration, for messages.
        repository: `owner/name`.
        revision: a commit (40 hexadecimal digits), or a tag or branch, which may move.
        file: path inside the repository.

    Raises:
        UserError: there is no such repository, revision or file, access is not granted, the hub
            cannot be reached, or the SHA-256 is not the hub's.
    """
    from huggingface_hub import errors, hf_hub_download

    what = f"{key}: {file} of {repository} at {revision}"
    # In this order: some are kinds of others.
    answers = {
        errors.GatedRepoError: " is gated: accept the conditions on the repository's page, then "
        "log in with `hf auth login` (or set HF_TOKEN) using a token of that account.",
        errors.RepositoryNotFoundError: ": the hub has no such model repository, or it is private. "
        "Check the name (owner/name); for a private one log in with `hf auth login` or set "
        "HF_TOKEN.",
        errors.RevisionNotFoundError: ": the repository has no such revision. Its page on the hub "
        "lists the commits under Files and versions, History; give all 40 digits.",
        errors.RemoteEntryNotFoundError: ": the repository has no such file at that revision. Its "
        "page on the hub lists the files under Files and versions.",
        errors.LocalEntryNotFoundError: ": the hub cannot be reached and the file is not in the "
        "local cache. Check the network (and a proxy's settings, HF_ENDPOINT and HF_HUB_OFFLINE), "
        "or run this step once where there is a network with HF_HOME on a disk that both machines "
        "see.",
    }
    try:
        path = Path(hf_hub_download(repository, file, revision=revision))
    except Exception as error:  # the client has a dozen more exceptions, and HTTP's own
        if is_full_disk(error):
            raise no_space(what) from error
        other = (
            f" could not be downloaded: {first_line(error)}. Check the repository's name, the "
            "network, and run the step again: it resumes."
        )
        fitting = (answer for kind, answer in answers.items() if isinstance(error, kind))
        raise UserError(what + next(fitting, other)) from error
    commit = path.parents[file.count("/")].name  # the cache has snapshots/<commit>/<file>
    if commit != revision:
        logger.info(
            "%s is commit %s: name the commit there to get the same file again", key, commit
        )
    return LocalFile(path, checked_sha256(path, what), commit)
