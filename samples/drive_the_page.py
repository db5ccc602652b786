"""Drive the page from a program: draw a picture, edit it, save the result and its recipe.

Start the page with `crossattn ui`, then run `python samples/drive_the_page.py`. Every button of
the page is an event that can be called like this; `client.view_api()` lists them.
"""

import argparse
import urllib.request
from pathlib import Path

from gradio_client import Client


def main() -> None:
    """Draw, edit and save."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--address", default="http://127.0.0.1:7860/")
    options.add_argument("--steps", type=int, default=25)
    options.add_argument("--output", type=Path, default=Path("out"))
    given = options.parse_args()

    client = Client(given.address, verbose=False)
    fields = {
        "prompt": "a red car on green grass",
        "negative": "",
        "model": "emoji-sd",
        "seed": "7",
        "steps": given.steps,
        "guidance": 4.0,
        "size": "128 × 128",
        "scheduler": "",
        "dialect": "attention",
    }
    # Every answer is (progress, picture, seed); the picture is an object that tells all of it.
    _, drawn, *_ = client.predict(*fields.values(), True, api_name="/generate")
    print(f"drew {drawn['prompt']!r} in {drawn['seconds']:.1f} s")
    plan = {"cross": [0.0, 0.8], "share": [0.0, 0.4], "blend": ["car"], "protect": []}
    target = "a red boat on green grass"
    _, edited, *_ = client.predict(*fields.values(), target, plan, api_name="/edit")
    print(f"edited it into {edited['prompt']!r}: {edited['edit']['changed']:.0%} of pixels changed")

    given.output.mkdir(parents=True, exist_ok=True)
    file = given.output / "edited.png"
    with urllib.request.urlopen(given.address + edited["picture"]["url"]) as answer:
        file.write_bytes(answer.read())
    file.with_suffix(".json").write_text(edited["code"]["Recipe"], encoding="utf-8")
    print(file)


if __name__ == "__main__":
    main()
