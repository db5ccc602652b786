"""Drawing against an empty prompt that is another at each step, found by null-text inversion."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crossattn.controls import SourceRun
from crossattn.controls.support.source_run import EMPTY, LATENTS, START
from crossattn.course import Course
from crossattn.errors import RecipeError
from crossattn.null_text import empty_prompts
from crossattn.pipelines.denoise import Conditioning, Progress, added_conditions, guided_by_text
from crossattn.pipelines.recipe import Recipe

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


def check_guided(recipe: Recipe, pipe: "Pipeline") -> None:
    """Raise RecipeError for a settled recipe in which there is no empty prompt to find."""
    if not guided_by_text(pipe, recipe.guidance or 0):
        raise RecipeError(
            "The method null-text finds the empty prompt of guidance, and there is none here: give "
            "guidance above 1 to a model that takes a second prompt for it, or another method."
        )


@dataclass
class NullText:
    """The empty prompts of a walk along `path` (steps + 1, channels, height, width).

    `embeds` (steps, tokens, channels) are found while a picture is drawn, unless they are given.
    """

    course: Course
    path: Tensor
    embeds: Tensor | None = None

    @classmethod
    def kept(cls, run: SourceRun) -> "NullText | None":
        """Those that a picture's run was drawn with, if it was."""
        if EMPTY not in run.tensors or run.kept.course is None:
            return None
        path = torch.cat([run.tensors[START], run.tensors[LATENTS]])
        return cls(run.kept.course, path, run.tensors[EMPTY])

    def find(
        self, pipe: "Pipeline", text: Conditioning, guidance: float, height: int, width: int
    ) -> Iterator[Progress]:
        """Find the empty prompts that lead a guided drawing by `text` along the path."""
        path = self.path.to(text.embeds.device)
        negative, caption = text.embeds
        added = added_conditions(text, height, width)
        sides = [
            added and {name: each[row : row + 1] for name, each in added.items()} for row in (0, 1)
        ]

        def predict(step: int, latents: Tensor, empty: Tensor | None) -> Tensor:
            told = caption if empty is None else empty.to(caption)
            answer: Tensor = pipe.unet(
                latents.to(caption),
                torch.tensor(self.course.begins[step].timestep, device=latents.device),
                encoder_hidden_states=told[None],
                added_cond_kwargs=sides[empty is None],
                return_dict=False,
            )[0]
            return answer.float()

        found: list[Tensor] = []
        for each in empty_prompts(self.course, path, predict, negative, guidance):
            step = len(found)
            found.append(each)
            level = self.course.begins[step]
            yield Progress(step, self.course.steps, level.timestep, path[step + 1 : step + 2])
        self.embeds = torch.stack(found).cpu()

    def told(self, texts: Mapping[int, Conditioning]) -> dict[int, Conditioning]:
        """The texts of each step, with the step's own empty prompt in the negative's place."""
        assert self.embeds is not None
        found = self.embeds
        return {
            step: replace(text, embeds=torch.stack([found[step].to(text.embeds), text.embeds[1]]))
            for step, text in texts.items()
        }
