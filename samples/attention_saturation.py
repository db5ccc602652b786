"""Draw what the scale 1/√d of attention is for: without it softmax saturates and stops learning.

Run `python samples/attention_saturation.py`; it needs matplotlib and takes a few seconds.
"""

import argparse
import platform
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot
from matplotlib.axes import Axes
from torch import Tensor

from crossattn.mechanisms import Score, attend, dot, scaled_dot

PICTURE = Path(__file__).parent / "pictures" / "attention_saturation.png"
SCORES: dict[str, Score] = {"unscaled, q·k": dot, "scaled, q·k/√d": scaled_dot}
KEYS = 16
EXAMPLE_WIDTH = 256


def probe(score: Score, width: int, queries: int) -> tuple[Tensor, Tensor]:
    """Attend with normal queries, keys and values of a width, one set of keys for each query.

    Gives the weights (queries, KEYS), highest first, and the norm (queries,) of the gradient of one
    unit of output with respect to the scores.
    """
    generator = torch.Generator().manual_seed(width)
    query = torch.randn(queries, 1, width, generator=generator)
    key = torch.randn(queries, KEYS, width, generator=generator)
    value = torch.randn(queries, KEYS, 1, generator=generator)
    logits = score(query, key).requires_grad_()
    output, weights = attend(query, key, value, score=lambda _query, _key: logits)
    (gradient,) = torch.autograd.grad(output.sum(), logits)
    ranked = weights.detach().squeeze(1).sort(descending=True).values
    return ranked, gradient.squeeze(1).norm(dim=-1)


def draw_example(axes: Axes, queries: int) -> None:
    for shift, (name, score) in enumerate(SCORES.items()):
        weights, _ = probe(score, EXAMPLE_WIDTH, queries)
        middle = weights.median(0).values.numpy()
        axes.bar(np.arange(1, KEYS + 1) + 0.4 * shift - 0.2, middle, 0.4, label=name)
    axes.set(
        xlabel="key, by rank",
        ylabel="weight",
        title=f"Median weights, d = {EXAMPLE_WIDTH}",
    )
    axes.set_xticks([1, 4, 8, 12, 16])
    axes.legend(frameon=False)


def draw_trend(axes: Axes, widths: list[int], samples: dict[str, list[np.ndarray]]) -> None:
    for name, by_width in samples.items():
        low, middle, high = np.array([np.percentile(s, (25, 50, 75)) for s in by_width]).T
        axes.plot(widths, middle, "o-", markersize=4, label=name)
        axes.fill_between(widths, low, high, alpha=0.2, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(widths[::2], [str(width) for width in widths[::2]])
    axes.set_xlabel("width d")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=2000, help="random queries for each width")
    parser.add_argument("--out", type=Path, default=PICTURE, help="where the picture goes")
    arguments = parser.parse_args()

    widths = [2**power for power in range(1, 12)]
    largest: dict[str, list[np.ndarray]] = {}
    gradients: dict[str, list[np.ndarray]] = {}
    for name, score in SCORES.items():
        probes = [probe(score, width, arguments.queries) for width in widths]
        largest[name] = [weights[:, 0].numpy() for weights, _ in probes]
        gradients[name] = [gradient.numpy() for _, gradient in probes]
    caption = (
        f"{KEYS} keys, {arguments.queries} queries, normal and of unit variance; "
        f"median and quartiles; torch {torch.__version__}, {platform.machine()}"
    )
    print(caption)
    for name in SCORES:
        for width, weight, gradient in zip(widths, largest[name], gradients[name], strict=True):
            spread = ", ".join(f"{q:.2e}" for q in np.percentile(gradient, (25, 50, 75)))
            print(f"{name:16} d={width:<5} largest {np.median(weight):.3f}  gradient {spread}")

    figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    draw_example(panels[0], arguments.queries)
    draw_trend(panels[1], widths, largest)
    panels[1].set(ylabel="largest weight", ylim=(0, 1.03), title="Softmax saturates")
    draw_trend(panels[2], widths, gradients)
    panels[2].set(
        ylabel="gradient of the scores, norm", yscale="log", title="Its gradient vanishes"
    )
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(caption, fontsize="x-small", color="0.4")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, dpi=150)
    print(f"wrote {arguments.out.name}")


if __name__ == "__main__":
    main()
