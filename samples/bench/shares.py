"""Which share of a word says what is seen: candidates by the truth of scenes.

Each fresh scene is rendered (so the area of every object is known) and shown to the model with its
caption (where it is a UNet), and drawn by the model from its caption (a judge says which objects
came). Maps are of the attention that the text gets. Of each candidate the table has: how often an
object that is there beats a small word ("a", "left"), and one that is there beats one that is not
(drawn scenes); the rank correlation with the area, over objects (rendered, or else drawn) and over
all words of a scene (drawn, mean); and how far it is from the area.

python samples/bench/shares.py --scenes 120
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import torch
from machine import describe as machine
from PIL import Image

from crossattn.coverage import COVERED
from crossattn.pipelines.emoji_sd.captions import Caption, describe
from crossattn.pipelines.emoji_sd.judge import Judge
from crossattn.pipelines.emoji_sd.scenes import make_scene, render
from crossattn.pipelines.emoji_sd.scores import rank_correlation
from crossattn.pipelines.existing import trace_picture
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.trace import Trace

FIRST_SEED = 7000
SMALL = frozenset("a an and at front in is left next of on over right the there to under".split())  # noqa: SIM905

Maps = np.ndarray  # (words, height, width)
Words = list[tuple[str, float]]
Candidate = Callable[[Maps, np.ndarray], np.ndarray]


def _stretched(maps: Maps) -> Maps:
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return (maps - low) / np.maximum(high - low, 1e-9)


CANDIDATES: dict[str, Candidate] = {
    "mass, of all attention": lambda maps, mass: mass,
    "mass, of the words'": lambda maps, mass: mass / mass.sum(),
    "mean of the map": lambda maps, mass: maps.mean((1, 2)),
    "peak of the map": lambda maps, mass: maps.max((1, 2)),
    "spread of the map": lambda maps, mass: maps.std((1, 2)),
    "area over 0.4 of its own peak": lambda maps, mass: (_stretched(maps) > 0.4).mean((1, 2)),
    "area over 0.3 of the highest peak": lambda maps, mass: (maps > 0.3 * maps.max()).mean((1, 2)),
    "area where it is the first word": lambda maps, mass: np.eye(len(maps))[maps.argmax(0)].mean(
        (0, 1)
    ),
    **{
        f"area over {level:g}": lambda maps, mass, level=level: (maps > level).mean((1, 2))
        for level in (0.1, COVERED, 0.3)
    },
}


def words_of(
    trace: Trace, caption: Caption, areas: dict[str, float]
) -> tuple[Maps, np.ndarray, Words]:
    """A scene's maps, masses, and for each word its kind and the area it truly takes."""
    words = [word for word, _ in trace.mass]
    maps = np.stack([trace.word(word.text, word.occurrence).data.numpy() for word in words])
    maps = maps / trace.within
    kinds = []
    for word in words:
        names = [n for n, (start, end) in caption.spans.items() if start <= word.span[0] < end]
        kind = "small" if word.text in SMALL else names[0].partition(":")[0] if names else "small"
        kinds.append((kind, 0.0 if kind == "small" else areas.get((names or [""])[0], np.nan)))
    return maps, np.array([mass for _, mass in trace.mass]), kinds


def scenes(model: str, count: int) -> Iterator[tuple[str, Maps, np.ndarray, Words]]:
    """Rendered and drawn scenes, as `words_of` gives them."""
    pipe, judge = load(model), Judge.load()
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        scene = make_scene(seed, "fresh")
        rendered, caption = render(scene), describe(scene)
        areas = {f"object:{at}": float(mask.mean()) for at, mask in enumerate(rendered.masks)}
        picture = Image.fromarray(rendered.pixels)
        if hasattr(pipe, "unet"):
            yield "rendered", *words_of(trace_picture(pipe, picture, caption.text), caption, areas)
        *_, result = run(Recipe(prompt=caption.text, seed=seed, model=model), pipe=pipe)
        assert isinstance(result, Result)
        verdict = judge.look([result.image])[0]
        came = {
            f"object:{at}": areas[f"object:{at}"] * (verdict.find(thing.name) is not None)
            for at, thing in enumerate(scene.things)
        }
        yield "drawn", *words_of(result.trace, caption, came)


def beats(first: list[float], second: list[float]) -> float:
    """How often one of the first is above one of the second, ties counting half."""
    a, b = np.array(first)[:, None], np.array(second)[None]
    return float((a > b).mean() + (a == b).mean() / 2)


def row(candidate: Candidate, found: list[tuple[str, Maps, np.ndarray, Words]]) -> list[float]:
    """A line of the table."""
    there, gone, small, real, drawn, within = [], [], [], [], [], []
    for kind, maps, mass, words in found:
        values = candidate(maps, mass)
        told = [(value, *word) for value, word in zip(values, words, strict=True)]
        objects = [(value, area) for value, name, area in told if name == "object"]
        if kind == "rendered":
            real += objects
            continue
        there += [value for value, area in objects if area > 0]
        gone += [value for value, area in objects if area == 0]
        small += [value for value, name, _ in told if name == "small"]
        drawn += [(value, area) for value, area in objects if area > 0]
        known = [(value, area) for value, name, area in told if name in ("object", "small")]
        if len({area for _, area in known}) > 1 and len({value for value, _ in known}) > 1:
            within.append(rank_correlation(np.array(known)))
    known_areas = np.array(real or drawn)
    values, areas = known_areas.T
    return [
        beats(there, small),
        beats(there, gone),
        rank_correlation(known_areas),
        float(np.mean(within)),
        float(np.abs(values - areas).mean()),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="emoji-sd")
    parser.add_argument("--scenes", type=int, default=120)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine("torch", "diffusers"))
    found = list(scenes(options.model, options.scenes))
    heads = ["beats small words", "there beats gone", "with area", "within a scene", "off by"]
    print(f"{options.scenes} scenes, each rendered and drawn\n")
    print(f"| share | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    for name, candidate in CANDIDATES.items():
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in row(candidate, found))} |")


if __name__ == "__main__":
    main()
