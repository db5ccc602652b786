import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """The path of a picture that exists, 150 x 90."""
    from photographs import a_picture

    path = tmp_path / "photo.png"
    a_picture(150, 90).save(path)
    return str(path)


def _lora(pipe: Any, file: Path, seed: int, text: bool = True) -> None:
    """Write a LoRA of random values for a pipeline, as diffusers does."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    torch.manual_seed(seed)
    layers = {}
    asked = {"unet": ["to_q", "to_v"], "text_encoder": ["q_proj", "v_proj"] if text else []}
    for part, targets in asked.items():
        if targets:
            module = copy.deepcopy(getattr(pipe, part))
            module.add_adapter(LoraConfig(r=2, target_modules=targets, init_lora_weights=False))
            layers[f"{part}_lora_layers"] = get_peft_model_state_dict(module)
    type(pipe).save_lora_weights(file.parent, **layers, weight_name=file.name)


@pytest.fixture(scope="session")
def loras(loaded_sd: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two LoRAs of the tiny pipeline, and one of another model."""
    folder = tmp_path_factory.mktemp("loras")
    _lora(loaded_sd, folder / "ink.safetensors", seed=1)
    _lora(loaded_sd, folder / "oil paint.safetensors", seed=2, text=False)
    from safetensors.torch import save_file

    name = "unet.mid_block.elsewhere.to_q"
    strange = {f"{name}.lora_A.weight": torch.ones(2, 3), f"{name}.lora_B.weight": torch.ones(3, 2)}
    save_file(strange, folder / "strange.safetensors")
    return folder
