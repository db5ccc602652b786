"""A source run once and kept, so that each edit of it costs one branch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from crossattn.attention import Attention
from crossattn.controls.support.ahead import Ahead
from crossattn.controls.support.edit_source import Pair
from crossattn.course import Course
from crossattn.errors import ControlError, InputError
from crossattn.rows import Rows
from crossattn.session import Session
from crossattn.softmax import AttentionMap, FormedMap, UnformedMap
from crossattn.step import LayerCall, Step
from crossattn.words import Prompt

CROSS = "cross"
SELF = "self"
KEYS_VALUES = "keys_values"
MAPS = "maps"
LATENTS = "latents"
PREDICTED = "predicted"
START = "start"
SEEN = "seen"
SAID = "said"
EMPTY = "empty"


@dataclass(frozen=True)
class Kept:
    """What a source run keeps, beside its tensors: the prompt, the schedule, and which calls.

    `timesteps` has one for each call of the denoiser; `cross` and `own` are the numbers of the
    calls whose cross- and self-attention is kept, `keys_values` of those whose keys and values are,
    `begun` of the first one that was made; `height` and `width` are the latent's. Of a picture that
    exists: the `method` that it was inverted by, the `course` walked, and of each step the timestep
    that the denoiser saw the source at (`seen_at`).
    """

    prompt: Prompt
    timesteps: tuple[float, ...]
    cross: tuple[int, ...]
    own: tuple[int, ...]
    height: int
    width: int
    keys_values: tuple[int, ...] = ()
    begun: int = 0
    method: str | None = None
    course: Course | None = None
    seen_at: tuple[float, ...] = ()


@dataclass(frozen=True)
class SourceRun:
    """The source of edits, run once (`SourceRecorder` makes it, or `invert` of a picture).

    Give it to an edit as `source=`, and to the pipeline the same noise, steps and size. `tensors`
    holds, by name: "cross/SITE/query" (calls, heads, pixels, width) and "cross/SITE/key" (heads,
    tokens, width), or "cross/SITE/formed" (calls, heads, pixels, tokens) where that is smaller;
    "self/SITE/query" and "self/SITE/key" (calls, heads, pixels, width); "keys_values/SITE/key" and
    "keys_values/SITE/value" (calls, sides, heads, pixels, width), the sides being the conditional
    one and, under guidance, the negative; "maps" (calls, pixels, tokens), "latents" (calls,
    channels, height, width), and "predicted", shaped alike: what the scheduler was given to make
    them. Of a picture that exists there are "start" (1, channels, height, width), where its edits
    begin, "seen", shaped as "latents", what the denoiser was shown, and "said", what it answered;
    by "null-text" also "empty" (calls, tokens, channels), the empty prompt of each step.
    """

    kept: Kept
    tensors: Mapping[str, Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, most of which lie on `device`."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def device(self) -> torch.device:
        """Where attention is kept: on the model's device, or in the host's memory."""
        kept = (tensor for name, tensor in self.tensors.items() if "/" in name)
        return next(kept, self.tensors[LATENTS]).device

    @cached_property
    def _ahead(self) -> dict[str, Ahead]:
        """What fetches the tensors of the calls, by the part of the run that they belong to."""
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            part = name.split("/")[0]
            if "/" in name and not (part == CROSS and name.endswith("/key")):
                parts.setdefault(part, {})[name] = tensor
        return {part: Ahead(tensors) for part, tensors in parts.items()}

    @cached_property
    def _has_negative(self) -> bool:
        """Whether keys and values of the negative side were kept: looked at once."""
        keys = [each for name, each in self.tensors.items() if name.startswith(f"{KEYS_VALUES}/")]
        return any(len(each[0]) > 1 and (each.is_meta or bool(each[:, 1].any())) for each in keys)

    def _get(self, name: str, at: int, like: Tensor) -> Tensor:
        """What was kept of a call, on the device and in the type of `like`."""
        if self.tensors[name].is_pinned():
            return self._ahead[name.split("/")[0]].get(name, at, like.device).to(like.dtype)
        return self.tensors[name][at].to(like)

    def prompt(self, session: Session) -> Prompt:
        """The prompt that the source was run with."""
        return self.kept.prompt

    def pairs(self, rows: Rows) -> tuple[Pair, ...]:
        """Every image of the batch."""
        return tuple(Pair(image, prompt, 0) for image, prompt in enumerate(rows.prompt))

    def cross_attention(self, call: LayerCall, attention: Attention, image: int) -> AttentionMap:
        """What the source attended with at this call.

        Raises `ControlError` if it was not kept, or if the schedule or size is another.
        """
        at = self._at(call.step, self.kept.cross, "cross-attention")
        name = f"{CROSS}/{call.site.name}"
        if f"{name}/formed" in self.tensors:
            return FormedMap(self._get(f"{name}/formed", at, attention.query))
        query = self._get(f"{name}/query", at, attention.query)
        key = self.tensors[f"{name}/key"].to(attention.query)
        return UnformedMap(query, key, None, attention.scale)

    def self_attention(
        self, call: LayerCall, attention: Attention, image: int
    ) -> tuple[Tensor, Tensor]:
        """The source's queries and keys at this call; raises as `cross_attention` does."""
        at = self._at(call.step, self.kept.own, "self-attention")
        name = f"{SELF}/{call.site.name}"
        if f"{name}/query" not in self.tensors:
            raise ControlError(
                f"The source run did not keep the self-attention of {call.site.name}: record it "
                f"with SourceRecorder(pixels={call.height * call.width})."
            )
        query, key = (self._get(f"{name}/{part}", at, attention.query) for part in ("query", "key"))
        return query, key

    def keys_values(
        self, call: LayerCall, attention: Attention, image: int, negative: bool
    ) -> tuple[Tensor, Tensor]:
        """The source's keys and values at this call; raises as `cross_attention` does."""
        at = self._at(call.step, self.kept.keys_values, "keys and values (keys_values)")
        name = f"{KEYS_VALUES}/{call.site.name}"
        if f"{name}/key" not in self.tensors:
            raise ControlError(
                f"The source run did not keep the keys and values of {call.site.name}: leave out "
                "sites=, or give the source in the batch."
            )
        if negative and not self._has_negative:
            raise ControlError(
                "The source was run without guidance, the edit with it; give both the same."
            )
        key, value = (self._get(f"{name}/{part}", at, attention.key) for part in ("key", "value"))
        return key[int(negative)], value[int(negative)]

    def latents(self, step: Step, latents: Tensor, image: int) -> Tensor:
        """The source's latents (channels, height, width) after `step`."""
        return self.tensors[LATENTS][step.evaluation].to(latents)

    def map(self, step: Step) -> Tensor:
        """The source's mean map of this call over heads and the blend's sites: (pixels, tokens)."""
        self._check(step)
        return self.tensors[MAPS][step.evaluation]

    def whole_map(self) -> Tensor:
        """The source's mean map over the calls that were made: (pixels, tokens)."""
        return self.tensors[MAPS][self.kept.begun :].mean(0)

    def predicted(self, calls: int) -> Tensor:
        """What the scheduler was given at the first `calls`: (calls, channels, height, width)."""
        return self.tensors[PREDICTED][:calls]

    def _at(self, step: Step, calls: tuple[int, ...], what: str) -> int:
        self._check(step)
        if step.evaluation not in calls:
            raise ControlError(
                f"The source run did not keep its {what} at step {step.index}: record it with a "
                "wider window."
            )
        return calls.index(step.evaluation)

    def _check(self, step: Step) -> None:
        kept = self.kept
        ours = (kept.height, kept.width)
        if (step.height, step.width) != ours:
            raise ControlError(
                f"The source was run with latents of {ours[0]} × {ours[1]}, the edit with "
                f"{step.height} × {step.width}; give both the same size."
            )
        if (
            step.evaluation >= len(kept.timesteps)
            or kept.timesteps[step.evaluation] != step.timestep
        ):
            raise ControlError(
                f"The source was run with {len(kept.timesteps)} calls of the model at other "
                "timesteps; give the edit the same scheduler and steps."
            )

        if step.evaluation < kept.begun:
            raise ControlError(
                f"The source was run from call {kept.begun} of its schedule on, the edit from call "
                f"{step.evaluation}; give both the same strength."
            )

    @classmethod
    def load(cls, path: str | Path) -> "SourceRun":
        """Read a source run from the file that `SourceRecorder(file=...)` wrote.

        Raises `InputError` if it is none.
        """
        try:
            with safe_open(path, "pt") as file:
                kept = TypeAdapter(Kept).validate_json((file.metadata() or {})["source"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValidationError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} cannot be read as a source run: {reason}") from error
        return cls(kept, tensors)
