"""Which nouns a change of words is about, by the little words around them."""

import pytest

from crossattn import read_prompt
from crossattn.controls.support.nouns import changed_nouns, only_qualities


@pytest.mark.parametrize(
    ("source", "target", "old", "new", "stay"),
    [
        ("a red car on grass", "a blue car on grass", ["car"], [], None),
        ("a car on grass", "a big red car on grass", ["car"], [], None),
        ("a big red car, and a dog", "a car, and a dog", ["car"], [], None),
        ("a red car on grass", "a red boat on grass", ["car"], ["boat"], None),
        ("a cat and a dog", "an owl and a dog", ["cat"], ["owl"], None),
        ("a cat", "a cat and a dog", [], ["dog"], None),
        ("a grey dog running in snow", "a white dog running in snow", ["dog"], [], None),
        ("a cat left of a dog", "a cat right of a dog", ["cat", "dog"], [], None),
        ("a photo of a cat on grass", "a photo of a cat at the beach", [], [], ["cat"]),
        ("in a field of grass, a cat", "high up in the mountains, a cat", [], [], ["cat"]),
        ("a cat to the left of a dog", "a cat to the left of a dog at sea", [], [], ["cat", "dog"]),
        ("a red cat on grass", "a blue cat on sand", ["cat"], [], []),
        ("on green grass, a cat", "on red grass, a cat", [], [], ["cat"]),
        ("a cat in the snow", "a cat in the (snow:1.8)", [], [], ["cat"]),
        ("a cat in a hat", "a cat in a (red:1.5) hat", [], [], ["cat"]),
        ("a red car", "a (red:1.5) car", ["car"], [], None),
        ("a photo of a cat", "a painting of a cat", [], [], []),
        ("stickers of a cat", "a drawing of a dog", [], [], []),
        ("a red car", "a red car", [], [], None),
        ("rote Katze, Hund", "blaue Katze, Hund", ["Katze"], [], None),
        ("a red building", "a white building", ["building"], [], None),
    ],
)
def test_the_nouns_of_changed_words_are_found(
    source: str, target: str, old: list[str], new: list[str], stay: list[str] | None
) -> None:
    before, after = read_prompt(source), read_prompt(target)
    found = changed_nouns(before, after)
    assert [before.words[at].text for at in found.source] == old
    assert [after.words[at].text for at in found.target] == new
    things = found.things
    assert (None if things is None else [before.words[at].text for at in things]) == stay


@pytest.mark.parametrize(
    ("source", "target", "only"),
    [
        ("a red car on grass", "a blue car on grass", True),
        ("a car", "an old car", True),
        ("a red car on grass", "a red boat on grass", False),
        ("a cat left of a dog", "a cat right of a dog", False),
        ("a cat and a dog", "a cat", False),
        ("a red car on grass", "a blue car on sand", False),
    ],
)
def test_changes_of_qualities_alone_leave_every_thing_where_it_is(
    source: str, target: str, only: bool
) -> None:
    assert only_qualities(read_prompt(source), read_prompt(target)) is only
