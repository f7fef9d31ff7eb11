"""Models of ours on the Hugging Face hub, and the entries by which another site uses them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tangent.jobs.errors import UserError, first_line
from tangent.models.published.published_files import PublishedHub


class EntryKey(NamedTuple):
    """The keys of an entry of `published`: what fine-tuned weights are of."""

    model: str
    training: str
    task: str

    @property
    def file(self) -> str:
        """Where the encoder lies in a repository."""
        return "/".join(("finetuned", *self, "encoder.safetensors"))


def entries(encoders: Iterable[EntryKey], repository: str, commit: str) -> dict[str, Any]:
    """The configuration's key `published` for encoders in a repository at a commit."""
    published: dict[str, Any] = {}
    for of in encoders:
        entry = PublishedHub(
            source="hub", repository=repository, revision=commit, file=of.file
        ).model_dump()
        published.setdefault(of.model, {}).setdefault(of.training, {})[of.task] = entry
    return {"published": published}


def upload(repository: str, files: Mapping[str, Path], is_private: bool) -> str:
    """Put files into a model repository, which is made if there is none, as one commit.

    The token is the client's: that of HF_TOKEN, or else what `hf auth login` keeps.

    Args:
        repository: `owner/name`.
        files: by their names in the repository; others that are there stay.
        is_private: what the repository must be.

    Returns:
        The commit, 40 hexadecimal digits.

    Raises:
        UserError: there is no token, the hub refuses it or cannot be reached, or the repository is
            there and not as private.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, errors, get_token

    if get_token() is None:
        raise UserError(
            f"{repository}: there is no token to upload with: let HF_TOKEN hold one that may write "
            "there, or log in with `hf auth login`. --dry-run needs none."
        )
    hub = HfApi()
    try:
        hub.create_repo(repository, private=is_private, exist_ok=True)
        # The client says nothing where a repository that exists is public.
        if bool(hub.model_info(repository).private) is not is_private:
            there, wanted = ("public", "private") if is_private else ("private", "public")
            raise UserError(
                f"{repository} exists and is {there}, so nothing was uploaded: give --visibility "
                f"{there}, or make it {wanted} on its settings page, or choose another name."
            )
        additions = [CommitOperationAdd(name, path) for name, path in files.items()]
        message = "Upload by python -m scripts publish"
        return hub.create_commit(repository, additions, commit_message=message).oid
    except UserError:
        raise
    except Exception as error:  # the client has many more, and HTTP's own
        is_answer = isinstance(error, errors.HfHubHTTPError)
        if is_answer and error.response.status_code in (401, 403):
            raise UserError(
                f"{repository}: the hub refuses the token: HF_TOKEN, or `hf auth login`, must give "
                f"one that may write to repositories of {repository.partition('/')[0]}."
            ) from error
        raise UserError(
            f"{repository}: the upload failed: {first_line(error)}. Check the network (and a "
            "proxy's settings, HF_ENDPOINT and HF_HUB_OFFLINE), and run this again: what arrived "
            "is not sent twice."
        ) from error
