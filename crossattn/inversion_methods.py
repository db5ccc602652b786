"""The methods by which a picture that exists is taken up, by name, and what each of them fits."""

from typing import Literal, get_args

from crossattn.errors import ControlError

Method = Literal[
    "shift", "direct", "ddim", "null-text", "negative-prompt", "proximal", "virtual",
    "edit-friendly", "ledits", "flowedit",
]  # fmt: skip

DRAWN = ("ddim", "null-text", "negative-prompt", "proximal")
"""Methods that take where the walk back ends for the noise of a drawing, whose run is edited."""

INVERTING = ("shift", "direct", *DRAWN)
"""Methods that walk back from the picture; the others noise it afresh for each step."""

AGAINST_CAPTION = ("negative-prompt", "proximal", "ledits")
"""Methods that put the caption in the negative prompt's place while it is edited."""

WEAKEST: dict[Method, float] = {"proximal": 0.7, "ledits": 0.7}
"""The share of what guidance asks for, the weakest of it, that a method leaves out."""

DIFFUSION, FLOW = ("null-text", "edit-friendly", "ledits"), ("flowedit",)
"""Those that do without a flow, and those that need one; the others fit any model."""


def usual_method(*, flow: bool) -> Method:
    """The method for models that follow a flow, and for others, unless told.

    Of those that give the picture back exactly and draw no noise, the one whose edits come out
    best by samples/bench/pictures_truth.py.
    """
    return "shift" if flow else "direct"


def listed() -> str:
    """All of them in one line for people, with what the special ones fit."""
    special = dict.fromkeys(DIFFUSION, " (no flow)") | dict.fromkeys(FLOW, " (a flow)")
    *most, last = (name + special.get(name, "") for name in get_args(Method))
    return f"{', '.join(most)} or {last}"


def check_method(method: Method, *, flow: bool) -> None:
    """Raise `ControlError` for a method that a model cannot do, which follows a flow or none."""
    if method in (DIFFUSION if flow else FLOW):
        kind = "follows a flow" if flow else "follows no flow"
        raise ControlError(
            f"The method {method} does not fit this model, which {kind}; shift and direct fit any."
        )
