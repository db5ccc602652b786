import sys
from pathlib import Path
from typing import Any

import pytest

# What several of these tests need stands in modules beside them.
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "situations")]


@pytest.fixture
def sharp_pipe(sd_pipe: Any) -> Any:
    """The tiny Stable Diffusion 1 pipeline in double precision, its attention far from uniform."""
    import torch
    from tiny_pictures import sharpen

    return sharpen(sd_pipe).to(torch.float64)
