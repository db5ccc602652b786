"""The pipelines that draw by their own call: how each is asked, and what it cannot be asked."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossattn.dialects import Dialect
from crossattn.errors import UnsupportedModelError
from crossattn.pipelines.model_defaults import defaults_of

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline
    from crossattn.pipelines.passages import Passage

PROMPT, NEGATIVE = "prompt_embeds", "negative_prompt_embeds"


@dataclass(frozen=True)
class Call:
    """How a kind of pipeline is asked.

    `text` names what its `encode_prompt` gives as its call takes it. Where each side of guidance is
    encoded by itself (`apart`), that of the negative prompt has "negative_" before it. `guidance`
    is the call's argument for it, `distilled` says that the model takes it as an input, without a
    second row, `blank` is what stands for no negative prompt, and `bare` says that the pipeline's
    template is put around the prompt alone.
    """

    text: tuple[str, ...]
    apart: bool = False
    guidance: str = "guidance_scale"
    distilled: bool = False
    blank: str = ""
    bare: bool = False

    def encode(self, pipe: "Pipeline", prompt: str, negative: str, guided: bool) -> dict[str, Any]:
        """The arguments that texts are given in."""
        asked = inspect.signature(pipe.encode_prompt).parameters
        call = inspect.signature(type(pipe).__call__).parameters
        how: dict[str, Any] = {"device": pipe._execution_device}
        if _LENGTH in asked:
            how[_LENGTH] = defaults_of(pipe).sequence
        if _INSTRUCTION in asked:
            how[_INSTRUCTION] = call[_INSTRUCTION].default
        if not self.apart:
            sides = {"do_classifier_free_guidance": guided, "negative_prompt": negative}
            made = pipe.encode_prompt(prompt=prompt, **sides, **how)
            return dict(zip(self.text, made, strict=True))
        texts = {"": prompt, "negative_": negative} if guided else {"": prompt}
        return {
            side + name: value
            for side, text in texts.items()
            for name, value in zip(self.text, pipe.encode_prompt(prompt=text, **how), strict=False)
        }


_LENGTH, _INSTRUCTION = "max_sequence_length", "complex_human_instruction"
_MASKED = (PROMPT, "prompt_attention_mask", NEGATIVE, "negative_prompt_attention_mask")
CALLS = {
    "FluxPipeline": Call((PROMPT, "pooled_prompt_embeds"), apart=True, distilled=True),
    "PixArtAlphaPipeline": Call(_MASKED),
    "PixArtSigmaPipeline": Call(_MASKED),
    "SanaPipeline": Call(_MASKED, bare=True),
    # Its own word for no negative prompt is no guidance at all.
    "QwenImagePipeline": Call(
        (PROMPT, "prompt_embeds_mask"), apart=True, guidance="true_cfg_scale", blank=" "
    ),
    "ZImagePipeline": Call((PROMPT, NEGATIVE)),
}
"""The pipelines that are asked so, by their class."""


def draws_by_call(pipe: "Pipeline") -> bool:
    """Whether pictures are drawn by the pipeline's own call."""
    return type(pipe).__name__ in CALLS


def check_dialect(pipe: "Pipeline", dialect: Dialect, negative: bool) -> None:
    """Raise UnsupportedModelError for weights in a text that is given as arguments of a call."""
    name = type(pipe).__name__
    if dialect != "difference":
        raise UnsupportedModelError(
            f"Weights of the dialect {dialect} are of what CLIP reads, and a {name} reads "
            "otherwise: leave the dialect out, or take difference or attention."
        )
    if negative and CALLS[name].bare:
        raise UnsupportedModelError(
            f"A {name} reads a negative prompt otherwise than a prompt, and weighs no words in it: "
            "take the weights out there, or take the dialect attention."
        )


def check_call(pipe: "Pipeline", passages: Sequence["Passage"], *, begun: bool) -> None:
    """Raise UnsupportedModelError for what a pipeline's own call cannot be asked.

    That is several prompts, and a run of which the first steps are known (`begun`).
    """
    if not draws_by_call(pipe):
        return
    name = type(pipe).__name__
    if len(passages) > 1 or passages[0].parts:
        raise UnsupportedModelError(
            f"A {name} draws by one prompt: words that change during the run, and AND, are for "
            "Stable Diffusion 1, 2, XL and 3; write one prompt."
        )
    if begun:
        raise UnsupportedModelError(
            f"A {name} draws every step, so an edit with it begins with the first: leave "
            "edit.begin out."
        )
