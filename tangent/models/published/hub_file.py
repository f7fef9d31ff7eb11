"""One file of a model repository on the Hugging Face hub, checked by its SHA-256."""

from __future__ import annotations

import logging
from pathlib import Path

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.hub_cache import checked_sha256
from tangent.models.published.published_file import Fetched

logger = logging.getLogger("tangent")


def download(key: str, repository: str, revision: str, file: str) -> Fetched:
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
    try:
        path = Path(hf_hub_download(repository, file, revision=revision))
    except errors.GatedRepoError as error:
        raise UserError(
            f"{what} is gated: accept the conditions on the repository's page, then log in with "
            "`hf auth login` (or set HF_TOKEN) using a token of that account."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"{what}: the hub has no such model repository, or it is private. Check the name "
            "(owner/name); for a private one log in with `hf auth login` or set HF_TOKEN."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(
            f"{what}: the repository has no such revision. Its page on the hub lists the commits "
            "under Files and versions, History; give all 40 digits."
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise UserError(
            f"{what}: the repository has no such file at that revision. Its page on the hub lists "
            "the files under Files and versions."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise UserError(
            f"{what}: the hub cannot be reached and the file is not in the local cache. Check the "
            "network (and a proxy's settings, HF_ENDPOINT and HF_HUB_OFFLINE), or run this step "
            "once where there is a network with HF_HOME on a disk that both machines see."
        ) from error
    except Exception as error:  # the client has a dozen more exceptions, and HTTP's own
        raise UserError(
            f"{what} could not be downloaded: {first_line(error)}. Check the repository's name, "
            "the network and the space on the disk of HF_HOME, and run the step again: it resumes."
        ) from error
    commit = path.parents[file.count("/")].name  # the cache has snapshots/<commit>/<file>
    if commit != revision:
        logger.info(
            "%s is commit %s: name the commit there to get the same file again", key, commit
        )
    return Fetched(path, checked_sha256(path, what), commit)
