"""What a weight written into a prompt does, in the dialect that the recipe names.

Both prompts are weighed, each on its own side of guidance. A weight below 0 weighs by its size and
turns the word around: where pixels look at it, its value is taken away rather than added, and its
key stays, so that the picture moves away from the word (as NegPiP does it). In "difference" the
words' difference to the text is turned around itself.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.controls.support.embeddings import a1111, comfy, compel, difference
from crossattn.pipelines.call_text import CallText
from crossattn.pipelines.called import check_dialect
from crossattn.pipelines.conditioning import encode_stretches, stretches, token_weights
from crossattn.pipelines.denoise import Conditioning, encode
from crossattn.pipelines.without_words import without_words
from crossattn.recorder import Recorder
from crossattn.session import Session
from crossattn.step import LayerCall
from crossattn.words import Prompt, token_positions

if TYPE_CHECKING:
    from crossattn.dialects import Dialect
    from crossattn.pipelines.load import Pipeline


def weighted(prompt: Prompt) -> bool:
    """Return whether any word has a weight other than 1."""
    return any(word.weight != 1 for word in prompt.words)


def weigh_controls(
    prompts: Sequence[Prompt],
    negatives: Sequence[Prompt],
    dialect: "Dialect",
    plain: Conditioning,
    joint: bool,
) -> tuple[list[Control], list[Control], Recorder | None]:
    """Return what to attach before the recorder and behind it, and a recorder of what words had.

    `plain` is the text as it was encoded, unweighted. The recorder, the first of the controls, is
    None where no word of the prompts has a weight, and where weights change a text that goes
    through the model's own layers (`joint`), so that nobody knows what the plain one would have
    had.
    """
    sides = list(prompts), list(negatives)
    if not any(weighted(prompt) for side in sides for prompt in side):
        return [], [], None
    before: list[Control] = []
    had: Recorder | None = None
    by_attention = dialect.startswith("attention")
    if any(map(weighted, prompts)) and (by_attention or not joint):
        had = Recorder() if by_attention else _PlainRecorder(plain.embeds)
        before.append(had)
    if by_attention:
        before.append(_TokenWeights(*sides, torch.abs, dialect == "attention-normalised"))
    # Behind the recorder, which sees how much the pixels look at a word that is turned around.
    turned = any(word.weight < 0 for prompt in prompts for word in prompt.words)
    signs: list[Control] = []
    if turned and dialect != "difference":
        signs.append(_TokenWeights(*sides, lambda each: torch.where(each < 0, -1.0, 1.0)))
    return before, signs, had


@torch.no_grad()
def weigh(
    pipe: "Pipeline", text: Conditioning, prompt: Prompt, negative: Prompt, dialect: "Dialect"
) -> Conditioning:
    """Return the text with its words' weights in the embeddings, where the dialect has them there.

    `text` is of one picture.
    """
    if dialect.startswith("attention"):
        return text
    if isinstance(text, CallText):
        for name, row, one in text.rows(prompt, negative):
            if weighted(one):
                check_dialect(pipe, dialect, one is negative)
                text = text.with_row(name, _weighed(pipe, row, one, dialect))
        return text
    rows = list(text.embeds)
    for at, one in ((-1, prompt), *(((0, negative),) if text.guided else ())):
        if any(token.weight != 1 for each in one.encodings for token in each.tokens):
            rows[at] = _weighed(pipe, rows[at], one, dialect)
    return replace(text, embeds=torch.stack(rows))


def _weighed(pipe: "Pipeline", embeds: Tensor, prompt: Prompt, dialect: "Dialect") -> Tensor:
    if dialect == "difference":
        by_weight: dict[float, list[int]] = {}
        for position, word in enumerate(prompt.words):
            if word.weight != 1 and token_positions([word]):
                by_weight.setdefault(word.weight, []).append(position)
        parts = [
            (without_words(pipe, prompt, words, len(embeds)), weight)
            for weight, words in by_weight.items()
        ]
        return difference(embeds, parts)
    weights = token_weights(prompt, len(embeds)).abs()
    size = prompt.encodings[0].size
    if dialect == "a1111":
        # Each stretch has its own mean there.
        pairs = zip(torch.split(embeds, size), torch.split(weights, size), strict=True)
        return torch.cat([a1111(each, weight) for each, weight in pairs])
    empty = encode(pipe, "", "", guidance=1).embeds[-1].repeat(len(embeds) // size, 1)
    if dialect == "comfy":
        return comfy(embeds, empty, weights)
    filling = embeds[stretches(prompt) * size :]
    without = [
        (torch.cat([encode_stretches(pipe, prompt, down)[0].to(embeds), filling]), weight)
        for down, weight in _down(prompt)
    ]
    return compel(embeds, empty, weights, without)


def _down(prompt: Prompt) -> Iterator[tuple[list[int], float]]:
    """The stretches of neighbouring tokens that have one weight of a size below 1."""
    tokens = prompt.encodings[0].tokens
    size = prompt.encodings[0].size
    said = (token for token in tokens if token.weight != 1 or token.index % size)
    for weight, run in groupby(said, key=lambda token: abs(token.weight)):
        if weight < 1:
            yield [token.index for token in run], weight


def _word_weights(prompt: Prompt, length: int) -> Tensor:
    weights = torch.ones(length)
    for word in prompt.words:
        weights[[at for at in token_positions([word]) if at < length]] = word.weight
    return weights


class _TokenWeights(Control):
    """Weighs the tokens of each row by their attention: what `part` makes of the words' weights."""

    def __init__(
        self,
        positive: Sequence[Prompt],
        negative: Sequence[Prompt],
        part: Callable[[Tensor], Tensor],
        normalised: bool = False,
    ) -> None:
        self._prompts = {"positive": positive, "negative": negative}
        self._part = part
        self._normalised = normalised
        self._made: dict[tuple[str, int, torch.device], list[Tensor | None]] = {}

    def attend(self, call: LayerCall, attention: Attention) -> None:
        rows = call.step.rows
        for side, of_side in (("positive", rows.positive), ("negative", rows.negative)):
            made = self._on(side, attention)
            for image, row in enumerate(of_side):
                if (weights := made[rows.prompt[image]]) is None:
                    continue
                if self._normalised:
                    attention.add_bias(row, weights[None])
                else:
                    attention.scale_tokens(row, weights)

    def leave(self) -> None:
        """Let go of what lies on the model's device."""
        self._made = {}

    def _on(self, side: str, attention: Attention) -> list[Tensor | None]:
        """Each prompt's weights, or what is added to logits for them; None for weights of 1."""
        device = attention.query.device
        if (key := (side, attention.tokens, device)) not in self._made:
            whole = [self._part(_word_weights(p, attention.tokens)) for p in self._prompts[side]]
            self._made[key] = [
                None
                if bool((weights == 1).all())
                else (weights.log() if self._normalised else weights).to(device)
                for weights in whole
            ]
        return self._made[key]


class _PlainRecorder(Recorder):
    """Records what the pixels would attend to if the text were encoded without weights."""

    def __init__(self, embeds: Tensor) -> None:
        super().__init__()
        self._embeds = embeds
        self._keys: dict[str, Tensor] = {}

    def start(self, session: Session) -> None:
        super().start(session)
        self._keys = {
            site.name: module.to_k(self._embeds).unflatten(-1, (site.heads, -1)).transpose(1, 2)
            for site, module in session.modules.items()
            if self.wants(site)
        }

    def attend(self, call: LayerCall, attention: Attention) -> None:
        super().attend(call, attention.looking_at(self._keys[call.site.name]))

    def leave(self) -> None:
        super().leave()
        self._keys = {}
