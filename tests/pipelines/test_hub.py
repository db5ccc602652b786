"""Models of the hub: found in the cache, or told in one sentence why they are not to be had."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from diffusers import DiffusionPipeline
from huggingface_hub import constants

from crossattn.errors import ModelLoadError
from crossattn.pipelines.hub import cached_models
from crossattn.pipelines.load import load


def test_a_hub_id_that_is_not_cached_says_that_the_hub_is_off() -> None:
    with pytest.raises(ModelLoadError, match=r"name at revision v2 is not .* \(HF_HUB_OFFLINE\)"):
        load("owner/name", revision="v2")


def test_why_a_hub_id_cannot_be_downloaded_is_told_once_and_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_network(name: str, **options: Any) -> str:
        try:
            raise OSError(-2, "Name or service not known")
        except OSError as error:
            raise OSError(f"Cannot load model {name}: " + "no model in the cache " * 20) from error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(DiffusionPipeline, "download", no_network)
    with pytest.raises(ModelLoadError) as caught:
        load("owner/name")
    assert str(caught.value) == (
        "The model owner/name is not on this machine and could not be downloaded (Name or service "
        "not known): check its name and the network, or give the folder of a model."
    )


def test_a_hub_id_is_found_in_the_users_cache(
    sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "models--owner--tiny"
    shutil.copytree(sd_folder, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    for module in ("_snapshot_download", "utils._cache_manager"):
        monkeypatch.setattr(f"huggingface_hub.{module}.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert load("owner/tiny").unet.config.sample_size == 8
    [found] = cached_models()
    assert (found.name, found.revision) == ("owner/tiny", commit)
