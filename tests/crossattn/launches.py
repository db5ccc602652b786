"""Counting what a device is asked to do: every ATen call that is no view."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from crossattn import Control, attach


class Launches(TorchDispatchMode):
    """Counts the calls that are made inside; views and empty memory cost a device nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """All of them."""
        return self.names.total()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not _is_free(func):
            self.names[str(func)] += 1
        return func(*args, **(kwargs or {}))


def _is_free(func: Any) -> bool:
    aliases = [each.alias_info for each in func._schema.returns]
    views = any(alias is not None and not alias.is_write for alias in aliases)
    return views or func.name().removeprefix("aten::").startswith(
        ("empty", "new_empty", "_unsafe_view")
    )


def run_on_meta(
    pipe: Any,
    prompts: list[str],
    *controls: Control,
    steps: int = 1,
    negative: str | None = None,
) -> list[Counter[str]]:
    """The launches of each step on a device from which nothing can be fetched, controls attached.

    Any wait for the device (`item`, `float`, `tolist`, a copy) fails there. Guided if there is a
    negative prompt; what only guidance launches is the plain run's as well.
    """
    unet, scheduler = pipe.unet.to("meta"), pipe.scheduler
    bare = SimpleNamespace(unet=unet, scheduler=scheduler, tokenizer=pipe.tokenizer)
    sides = 1 if negative is None else 2
    rows = len(prompts) * sides
    dtype, size = unet.dtype, unet.config.sample_size
    latents = torch.empty(len(prompts), 4, size, size, device="meta", dtype=dtype)
    text = torch.empty(rows, 77, unet.config.cross_attention_dim, device="meta", dtype=dtype)
    scheduler.set_timesteps(steps)
    counted = []
    told = {"prompt": prompts, "negative_prompt": negative, "guided": sides > 1}
    with attach(bare, *controls, **told), torch.no_grad():
        for timestep in scheduler.timesteps:
            with Launches() as launches:
                given = torch.cat([latents] * sides)
                noise = unet(given, timestep, encoder_hidden_states=text).sample
                noise = noise.chunk(sides)[-1]
                latents = scheduler.step(noise, timestep, latents).prev_sample
            counted.append(launches.names)
    return counted
