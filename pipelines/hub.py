"""Models of the Hugging Face hub: found in the user's cache, fetched if they are not there."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from crossattn.errors import ModelLoadError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine: its id, the commit if it has one, and where it lies."""

    name: str
    revision: str | None
    folder: Path


def is_hub_id(text: str) -> bool:
    """Say whether a text has the form of a hub id, owner/name."""
    return _HUB_ID.fullmatch(text) is not None


def hub_folder(name: str, revision: str | None = None) -> Path:
    """Return the folder of a hub model, from the cache or else downloaded (safetensors only).

    The folder is named after the commit. Raises ModelLoadError if it is neither cached nor to
    be had, which offline (HF_HUB_OFFLINE=1, or no network) means not cached.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    version = f" at revision {revision}" if revision else ""
    if constants.HF_HUB_OFFLINE:
        raise ModelLoadError(
            f"The model {name}{version} is not on this machine and the hub is switched off "
            "(HF_HUB_OFFLINE): go online once, or give the folder of a model."
        )
    from diffusers import DiffusionPipeline

    try:
        folder = DiffusionPipeline.download(name, revision=revision, use_safetensors=True)
    except (OSError, ValueError) as error:
        raise ModelLoadError(
            f"The model {name}{version} is not on this machine and could not be downloaded "
            f"({_reason(error)}): check its name and the network, or give the folder of a model."
        ) from error
    return Path(folder)


def cached_bytes(name: str) -> int:
    """How much of a hub model is on this machine by now, in bytes; 0 for what is no hub id."""
    from huggingface_hub import constants

    if not is_hub_id(name):
        return 0
    blobs = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "blobs"
    return sum(file.stat().st_size for file in blobs.glob("*") if file.is_file())


def _reason(error: BaseException) -> str:
    """What an error began with: what the hub's libraries wrap around it says less, at length."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return textwrap.shorten(said.splitlines()[0], 200, placeholder=" ...")


def cached_models() -> list[LocalModel]:
    """Return the pipelines in the user's hub cache, newest commit of each, sorted by name."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return []
    found = []
    for repo in cache.repos:
        for revision in sorted(repo.revisions, key=lambda one: one.last_modified)[-1:]:
            folder = revision.snapshot_path
            if repo.repo_type == "model" and (folder / "model_index.json").is_file():
                found.append(LocalModel(repo.repo_id, revision.commit_hash, folder))
    return sorted(found, key=lambda model: model.name)
