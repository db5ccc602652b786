"""A caption for a picture like those that emoji-sd draws, by what the judge sees in it."""

from PIL import Image

from crossattn.errors import InputError
from crossattn.pipelines.emoji_sd.judge import Judge, Sighting
from crossattn.pipelines.emoji_sd.scenes import SIDE
from crossattn.pipelines.emoji_sd.vocabulary import AMOUNTS, PLACES, SIZE_WORDS

MOST = 3
"""Things that are named, the surest first."""


def propose_caption(picture: Image.Image) -> str:
    """Say what a picture shows, in words that emoji-sd knows: "a small red car and a dog on grass".

    Raises `InputError` where the judge sees no thing that it knows.
    """
    seen = Judge.load().look([picture.convert("RGB").resize((SIDE, SIDE))])[0]
    things = sorted(seen.things, key=lambda thing: -thing.confidence)[:MOST]
    if not things:
        raise InputError("Nothing is seen in the picture that could be named; give its caption.")
    *first, last = map(_named, things)
    said = [f"{', '.join(first)} and {last}" if first else last]
    if AMOUNTS[seen.amount]:
        said.append(AMOUNTS[seen.amount][0])
    return " ".join([*said, PLACES[seen.place][0]])


def _named(thing: Sighting) -> str:
    size = SIZE_WORDS[thing.size][0] if thing.size != "medium" else None
    words = [word for word in (size, thing.colour, thing.name) if word]
    return " ".join(["an" if words[0][0] in "aeiou" else "a", *words])
