"""Findings of a long measurement, kept in a file so that one that was stopped goes on."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crossattn.pipelines.emoji_sd.judge import Judge, Sighting, Verdict
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import run


class Kept:
    """What was found, by what was asked; a line of JSON a finding in `file`, if there is one."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        lines = file.read_text("utf-8").splitlines() if file and file.exists() else ()
        self.found: dict[str, Any] = dict(json.loads(line) for line in lines)

    def __call__(self, asked: str, find: Callable[[], Any]) -> Any:
        """The finding for what is asked: as it was kept, else found now and kept (JSON values)."""
        if asked not in self.found:
            self.found[asked] = find()
            if self.file:
                with self.file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([asked, self.found[asked]]) + "\n")
        return self.found[asked]


class Drawing:
    """Draws prompts with a model and has them judged; what is kept is not drawn again."""

    def __init__(self, model: str, steps: int, file: Path | None) -> None:
        self.model, self.steps = model, steps
        self.pipe, self.judge, self.kept = load(model), Judge.load(), Kept(file)

    def __call__(self, prompt: str, seed: int, **fields: Any) -> Verdict:
        recipe = Recipe(model=self.model, prompt=prompt, seed=seed, steps=self.steps, **fields)

        def look() -> dict[str, Any]:
            *_, result = run(recipe, pipe=self.pipe)
            return asdict(self.judge.look([result.image])[0])

        seen = dict(self.kept(recipe.model_dump_json(exclude_defaults=True), look))
        things = tuple(Sighting(**thing) for thing in seen.pop("things"))
        return Verdict(things, **seen)
