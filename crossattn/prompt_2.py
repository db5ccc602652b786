"""Two texts for one picture: SDXL's encoders may each be given a prompt of their own."""

import warnings
from collections import Counter
from dataclasses import replace

from crossattn.word_spans import quoted, same_word
from crossattn.words import Prompt


class TwoTextsWarning(UserWarning):
    """The encoders read different texts side by side, so a token's place carries a word of each."""


def beside(prompt: Prompt, other: Prompt) -> Prompt:
    """A prompt with the words of `other`, which one encoder alone has read instead.

    The words of each are found in the encoders that read them. Warns with `TwoTextsWarning`.
    """
    (own,) = other.encodings
    names = [encoding.name for encoding in prompt.encodings]
    at = names.index(own.name)
    gap, first = len(prompt.text) + 3, len(prompt.words)
    seen = Counter(same_word(word.text) for word in prompt.words)
    words = [
        replace(word, tokens=(*word.tokens[:at], (), *word.tokens[at + 1 :]))
        for word in prompt.words
    ]
    for word in other.words:
        seen[key := same_word(word.text)] += 1
        tokens = tuple(word.tokens[0] if number == at else () for number in range(len(names)))
        start, end = word.span
        span = start + gap, end + gap
        words.append(replace(word, occurrence=seen[key], span=span, tokens=tokens))
    moved = tuple(
        token if token.word is None else replace(token, word=token.word + first)
        for token in own.tokens
    )
    encodings = list(prompt.encodings)
    encodings[at] = replace(own, tokens=moved)
    warnings.warn(
        f'The encoder "{own.name}" read {quoted(other.text)} beside {quoted(prompt.text)}; both '
        "lie on the same tokens, so the map of a word holds what the other text has in its place.",
        TwoTextsWarning,
        stacklevel=2,
    )
    return replace(
        prompt,
        raw=f"{prompt.raw} | {other.raw}",
        text=f"{prompt.text} | {other.text}",
        words=tuple(words),
        encodings=tuple(encodings),
        dropped=(*prompt.dropped, *other.dropped),
    )
