"""An alignment of two prompts, as the page shows it: row by row."""

from collections.abc import Iterator

from crossattn.controls import Alignment
from crossattn.word_spans import same_word
from crossattn.words import Prompt


def alignment_rows(
    source: Prompt, target: Prompt, alignment: Alignment
) -> Iterator[tuple[str, str, str]]:
    """(relation, words of the source, words of the target) in the target's order."""
    before, after = ([word.text for word in prompt.words] for prompt in (source, target))
    dropped = {unit.word for unit in alignment.dropped}
    links = {unit.word: link for link in alignment.links for unit in link.target}
    place = 0  # in the source, behind what has been told of
    told: set[int] = set()

    def missed(upto: int) -> Iterator[tuple[str, str, str]]:
        for index in range(place, upto):
            if index in dropped:
                yield "dropped", before[index], ""

    for index, word in enumerate(after):
        link = links.get(index)
        if link is None:
            yield "added", "", word
        elif index not in told:
            old = [unit.word for unit in link.source if unit.word is not None]
            new = [unit.word for unit in link.target if unit.word is not None]
            told.update(new)
            yield from missed(min(old))
            place = max(old) + 1
            words = " ".join(before[n] for n in old), " ".join(after[n] for n in new)
            same = same_word(words[0]) == same_word(words[1])
            yield "kept" if same else "swapped", *words
    yield from missed(len(before))
