"""How well noun maps find their objects: mean IoU with the true masks of fresh scenes.

Each scene is drawn (so its masks are known), noised to t = 300 and 500 and shown to the model,
and every noun's map, min-max normalised and cut at 0.4, is held against the object's mask. The
recipes are those of crossattn.aggregation, with heads kept, weighed as GoCA does, or averaged. Then
the default, heads kept, at other noise, and where a transformer's blocks that find words best are
not known. The default of the UNet was chosen on scenes 5000 to 5059, that of the transformer on
scenes 0 to 149.

python samples/bench/truth.py --models emoji-sd emoji-sd3 --scenes 200
"""

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from machine import describe as machine
from PIL import Image

from crossattn import Recorder, Trace, Word, read_prompt
from crossattn.aggregation import JOINS
from crossattn.pipelines.emoji_sd.captions import describe
from crossattn.pipelines.emoji_sd.scenes import SIDE, make_scene, render
from crossattn.pipelines.existing import trace_picture
from crossattn.pipelines.load import Pipeline, load

NOISE = ((300,), (500,), (700,), (300, 500, 700))
"""Timesteps to compare with the default's."""


def scores(model: str, count: int) -> dict[str, list[float]]:
    """The IoU of every noun of `count` fresh scenes, by the way its map was made."""
    pipe = load(model)
    found: dict[str, list[float]] = {}
    for seed in range(count):
        scene = make_scene(seed, "fresh")
        drawn, caption = render(scene), describe(scene)
        words = {word.span: word for word in read_prompt(caption.text).words}
        for name, trace in ways(pipe, Image.fromarray(drawn.pixels), caption.text):
            for index, mask in enumerate(drawn.masks):
                word = words[caption.spans[f"object:{index}"]]
                found.setdefault(name, []).append(overlap(trace, word, mask))
    return found


def ways(pipe: Pipeline, picture: Image.Image, caption: str) -> Iterator[tuple[str, Trace]]:
    """The traces of a picture, each with the words for how it is made and read."""
    recorders = {
        "heads kept": Recorder(heads=True),
        "heads weighed": Recorder(heads="weighed"),
        "heads averaged": Recorder(),
    }
    for kept, recorder in recorders.items():
        trace = trace_picture(pipe, picture, caption, recorder=recorder)
        for name in JOINS:
            if name != "daam" or (recorder.heads is True and hasattr(pipe, "unet")):
                yield f"{name}, {kept}", trace.by(name)
        layout = trace.view.record.layout
        if layout.located:
            record = replace(trace.view.record, layout=replace(layout, located=()))
            yield f"semantic, {kept}, blocks not known", Trace.of(record)
    for timesteps in NOISE:
        recorder = Recorder(heads=True)
        trace = trace_picture(pipe, picture, caption, timesteps=timesteps, recorder=recorder)
        yield f"semantic, heads kept, t = {', '.join(map(str, timesteps))}", trace


def overlap(trace: Trace, word: Word, mask: np.ndarray) -> float:
    """The intersection over union of a word's map with the true mask of its thing."""
    heat = trace.word(word.text, word.occurrence).resize(SIDE, SIDE).mask(0.4).numpy()
    return float((heat & mask).sum() / (heat | mask).sum())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["emoji-sd", "emoji-sd3"])
    parser.add_argument("--scenes", type=int, default=200)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(machine("torch", "diffusers"))
    for model in options.models:
        found = scores(model, options.scenes)
        nouns = len(next(iter(found.values())))
        print(f"\n{model}: {options.scenes} fresh scenes, {nouns} nouns\n")
        print("| maps | mean IoU | 95 % interval of the mean |\n|---|---|---|")
        rng = np.random.default_rng(0)
        for name, values in found.items():
            draws = rng.choice(values, (1000, len(values))).mean(1)
            low, high = np.percentile(draws, [2.5, 97.5])
            print(f"| {name} | {statistics.mean(values):.3f} | {low:.3f} to {high:.3f} |")


if __name__ == "__main__":
    main()
