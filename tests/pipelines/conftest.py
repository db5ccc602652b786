import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

# What several of these tests need stands in modules beside them.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of tiny pipelines by name, each saved when it is first asked for."""
    from small_transformers import REAL

    root = tmp_path_factory.mktemp("transformers")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            torch.manual_seed(0)
            REAL[name][0]().save_pretrained(root / name)
        return root / name

    return folder
