"""What a recorder keeps: sums of attention in tensors whose size is known before the run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from crossattn.crop import Crop
from crossattn.errors import TraceError
from crossattn.site import Site
from crossattn.step import Step
from crossattn.words import Prompt

Side = Literal["positive", "negative"]
FORMAT = "crossattn trace 2"


@dataclass(frozen=True)
class Layout:
    """The shape of a record, fixed before the run.

    `height` and `width` are the latent's; `tokens` the prefix of the text's sequence that is kept
    (start token, prompt, end token); `prompt_of[i]` the index in `prompts` of image i; `steps` the
    length of the run, `bins` the groups of steps kept apart; `crop` the part of the picture that
    was drawn, None for all of it. `rest` says whether the sum over the text's further tokens is
    kept behind them: in joint attention, where pixels attend to each other too, it does not follow
    from them. `located` names the blocks that find words best, if known. `frames` are a video's.
    """

    sites: tuple[Site, ...]
    sides: tuple[Side, ...]
    height: int
    width: int
    tokens: int
    steps: int
    bins: int
    heads: bool
    prompt_of: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    negative_prompts: tuple[Prompt, ...]
    crop: Crop | None = None
    rest: bool = False
    located: tuple[str, ...] = ()
    frames: int = 1

    @property
    def columns(self) -> int:
        """Tokens that have a map, their rest included."""
        return self.tokens + self.rest

    @property
    def images(self) -> int:
        """Images of the batch."""
        return len(self.prompt_of)

    def map_shape(self, site: Site) -> tuple[int, int, int, int, int]:
        """(images, bins, heads or 1, pixels of all frames, columns) of a site's sums."""
        height, width = site.grid(self.height, self.width)
        heads = site.heads if self.heads else 1
        return self.images, self.bins, heads, self.frames * height * width, self.columns

    @property
    def mass_shape(self) -> tuple[int, int, int, int]:
        """(steps, sites, images, columns)."""
        return *self.visits_shape, self.images, self.columns

    @property
    def visits_shape(self) -> tuple[int, int]:
        """(steps, sites)."""
        return self.steps, len(self.sites)

    @property
    def nbytes(self) -> int:
        """Bytes that the record takes, whatever the number of visits."""
        maps = sum(torch.Size(self.map_shape(site)).numel() for site in self.sites)
        return 4 * len(self.sides) * (maps + torch.Size(self.mass_shape).numel())

    def bin(self, step: int) -> int:
        """The group that a step belongs to."""
        return step * self.bins // self.steps


@dataclass
class Record:
    """Probabilities summed over the visits to each site.

    `maps[side, site name]` is shaped as `Layout.map_shape` (a mean over heads where they are not
    kept), `mass[side]` as `Layout.mass_shape` (a mean over heads and pixels), both float32.
    `site_visits[side]` (steps, sites) counts how often that side of each site was computed at each
    step: caches skip sites, and guidance may end in mid-run. `timesteps` and `sigmas` (steps,) are
    those at which the step was first evaluated.
    """

    layout: Layout
    maps: dict[tuple[Side, str], Tensor] = field(default_factory=dict)
    mass: dict[Side, Tensor] = field(default_factory=dict)
    site_visits: dict[Side, Tensor] = field(default_factory=dict)
    timesteps: Tensor = field(default_factory=lambda: torch.zeros(0))
    sigmas: Tensor = field(default_factory=lambda: torch.zeros(0))

    @classmethod
    def empty(cls, layout: Layout) -> "Record":
        """A record with room for everything and nothing in it."""
        return cls(
            layout,
            {
                (a, s.name): torch.zeros(layout.map_shape(s))
                for a in layout.sides
                for s in layout.sites
            },
            {side: torch.zeros(layout.mass_shape) for side in layout.sides},
            {side: torch.zeros(layout.visits_shape) for side in layout.sides},
            *(torch.zeros(layout.steps) for _ in range(2)),
        )

    def to(self, device: str) -> "Record":
        """The record with its sums on one device; those that are there already are shared."""
        return replace(
            self,
            maps={key: sums.to(device) for key, sums in self.maps.items()},
            mass={side: mass.to(device) for side, mass in self.mass.items()},
        )

    @property
    def visits(self) -> Tensor:
        """How often the model was run at each step: (steps,)."""
        return torch.stack([each.amax(1) for each in self.site_visits.values()]).amax(0)

    def announce(self, step: Step) -> None:
        """Note the time of a step, at its first evaluation."""
        if not self.timesteps[step.index] and not self.sigmas[step.index]:
            self.timesteps[step.index] = step.timestep
            self.sigmas[step.index] = step.sigma

    def snapshot(self) -> "Record":
        """A copy on the CPU, which stays as it is while the run goes on."""

        def copied(tensors: dict[Any, Tensor]) -> dict[Any, Tensor]:
            return {key: tensor.detach().to("cpu", copy=True) for key, tensor in tensors.items()}

        return Record(
            self.layout,
            copied(self.maps),
            copied(self.mass),
            copied(self.site_visits),
            self.timesteps.clone(),
            self.sigmas.clone(),
        )

    def to_bytes(self) -> bytes:
        """The record as a safetensors file, its layout as JSON in the header."""
        tensors = {f"map/{side}/{name}": maps for (side, name), maps in self.maps.items()}
        tensors |= {f"mass/{side}": mass for side, mass in self.mass.items()}
        tensors |= {f"visits/{side}": visits for side, visits in self.site_visits.items()}
        tensors |= {name: getattr(self, name) for name in ("timesteps", "sigmas")}
        layout = TypeAdapter(Layout).dump_json(self.layout).decode()
        return to_safetensors(tensors, {FORMAT: layout})

    @classmethod
    def load(cls, path: Any) -> "Record":
        """Read what `to_bytes` gave from a file; raises `TraceError` if it is not such a file."""
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                if FORMAT not in header:
                    raise TraceError(
                        f"{path} is not a trace that this version reads: expected a header "
                        f'"{FORMAT}", got {", ".join(sorted(header)) or "none"}; record it again.'
                    )
                layout = TypeAdapter(Layout).validate_json(header[FORMAT])
                return cls._read(layout, file.get_tensor)
        except (OSError, SafetensorError, ValidationError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise TraceError(f"{path} cannot be read as a trace: {reason}") from error

    @classmethod
    def _read(cls, layout: Layout, get: Callable[[str], Tensor]) -> "Record":
        def shaped(name: str, shape: tuple[int, ...]) -> Tensor:
            tensor = get(name)
            if tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
                raise TraceError(
                    f"The {name} of a trace should be float32 {shape}; this one is "
                    f"{tensor.dtype} {tuple(tensor.shape)}."
                )
            return tensor

        return cls(
            layout,
            {
                (a, s.name): shaped(f"map/{a}/{s.name}", layout.map_shape(s))
                for a in layout.sides
                for s in layout.sites
            },
            {side: shaped(f"mass/{side}", layout.mass_shape) for side in layout.sides},
            {side: shaped(f"visits/{side}", layout.visits_shape) for side in layout.sides},
            *(shaped(name, (layout.steps,)) for name in ("timesteps", "sigmas")),
        )
