"""LoRAs that a prompt asks for are the host's own, at their steps, and leave the model plain."""

import copy
import hashlib
import json
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from crossattn.errors import CrossattnError, RecipeError
from crossattn.pipelines.batch import read_plan, run_batch
from crossattn.pipelines.edit import Edited, edit
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.replay import drifted
from crossattn.pipelines.run import Result, run
from crossattn.pipelines.together import run_together
from crossattn.ui.cli import call

STEPS: dict[str, Any] = {"steps": 4, "seed": 3, "guidance": 4.0}


def finish(events: Iterator[Any]) -> Any:
    *_, last = events
    return last


def draw(pipe: Any, prompt: str, loras: Path | None = None, **more: Any) -> Result:
    recipe = Recipe(prompt=prompt, loras=str(loras) if loras else None, **{**STEPS, **more})
    result = finish(run(recipe, pipe=pipe))
    assert isinstance(result, Result)
    return result


def pixels(result: Result) -> bytes:
    return result.image.tobytes()


def by_host(pipe: Any, loras: Path, scales: dict[str, Any], prompt: str, **more: Any) -> bytes:
    """The picture of a copy into which diffusers loaded the files at these scales."""
    own = copy.copy(pipe)
    own.unet, own.text_encoder = copy.deepcopy(pipe.unet), copy.deepcopy(pipe.text_encoder)
    for number, name in enumerate(scales):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT's, of a second one
            file = f"{name}.safetensors"
            own.load_lora_weights(loras, weight_name=file, adapter_name=f"a{number}")
    own.set_adapters([f"a{number}" for number in range(len(scales))], list(scales.values()))
    return pixels(draw(own, prompt, **more))


@pytest.mark.slow
def test_the_picture_is_that_of_the_host_at_that_scale_to_the_bit(
    sd_pipe: Any, loras: Path
) -> None:
    host = by_host(sd_pipe, loras, {"ink": 0.8}, "a red car ")
    assert pixels(draw(sd_pipe, "a red car <lora:ink:0.8>", loras)) == host
    both = by_host(sd_pipe, loras, {"oil paint": -0.5, "ink": 0.8}, "a red  car")
    assert pixels(draw(sd_pipe, "a red <lora:oil paint:-0.5> car<lora:ink:.8>", loras)) == both
    parts = {"unet": 0.25, "text_encoder": 1.5}
    apart = by_host(sd_pipe, loras, {"ink": parts}, "a red car ")
    for dialect, numbers in (
        ("a1111", "1.5:0.25"),
        ("comfy", "0.25:1.5"),
        ("compel", "te=1.5:unet=0.25"),
    ):
        made = draw(sd_pipe, f"a red car <lora:ink:{numbers}>", loras, dialect=dialect)
        assert pixels(made) == apart, dialect


def test_a_scale_of_0_is_the_plain_picture_and_the_pipeline_stays_plain(
    sd_pipe: Any, loras: Path
) -> None:
    before = {name: id(module) for name, module in sd_pipe.unet.named_modules()}
    plain = pixels(draw(sd_pipe, "a red car "))
    assert pixels(draw(sd_pipe, "a red car <lora:ink:0>", loras)) == plain
    assert pixels(draw(sd_pipe, "a red car <lora:ink:1>", loras)) != plain
    assert pixels(draw(sd_pipe, "a red car ")) == plain
    assert {name: id(module) for name, module in sd_pipe.unet.named_modules()} == before
    assert all(weight.requires_grad for weight in sd_pipe.unet.parameters())
    assert not sd_pipe.get_list_adapters()


def test_a_lora_is_no_word(sd_pipe: Any, loras: Path) -> None:
    made = draw(sd_pipe, "a <lora:ink:0.5> red (car:1.2)", loras)
    assert made.trace.prompt.text == "a  red car"
    assert [word.text for word in made.words] == ["a", "red", "car"]
    assert [word.tokens for word in made.words] == [(1,), (2,), (3,)]


def test_a_lora_in_a_schedule_acts_at_its_own_steps(sd_pipe: Any, loras: Path) -> None:
    def latents(prompt: str) -> list[torch.Tensor]:
        recipe = Recipe(prompt=prompt, loras=str(loras), **STEPS)
        return [event.latents for event in run(recipe, pipe=sd_pipe) if hasattr(event, "latents")]

    plain, whole = latents("a car"), latents("a car<lora:ink:1>")
    late = latents("a car[<lora:ink:1>:0.5]")
    early = latents("a car[<lora:ink:1>::0.5]")
    assert all(torch.equal(late[step], plain[step]) for step in (0, 1))
    assert all(torch.equal(early[step], whole[step]) for step in (0, 1))
    assert not torch.equal(late[2], plain[2])
    assert not torch.equal(early[2], whole[2])
    told = draw(sd_pipe, "a car[<lora:ink:1>::0.5]", loras).warnings
    assert any('"a car" with <lora:ink:1> at steps 1 to 2; "a car" at steps 3' in t for t in told)


@pytest.mark.slow
def test_runs_at_once_are_each_as_if_alone(sd_pipe: Any, loras: Path) -> None:
    prompts = [
        "a car <lora:ink:1>",
        "a car ",
        "a car <lora:ink:0.2>",
        "a car [<lora:ink:1>|<lora:oil paint:1>]",
    ]
    recipes = [Recipe(prompt=prompt, loras=str(loras), **STEPS) for prompt in prompts]
    alone = [pixels(finish(run(one, pipe=sd_pipe))) for one in recipes]
    assert len(set(alone)) == len(alone)
    together = [run(one, pipe=sd_pipe) for one in recipes]
    turns = [[next(events) for events in together] for _ in range(3)]
    assert [pixels(finish(events)) for events in together] == alone, len(turns)
    with ThreadPoolExecutor(len(recipes)) as pool:
        assert list(pool.map(lambda one: pixels(finish(run(one, pipe=sd_pipe))), recipes)) == alone


def test_the_recipe_says_which_files_and_replays(sd_folder: Path, loras: Path) -> None:
    asked = Recipe(prompt="a car <lora:ink:1>", model=str(sd_folder), loras=str(loras), **STEPS)
    made = finish(run(asked))
    digest = hashlib.sha256((loras / "ink.safetensors").read_bytes()).hexdigest()
    assert made.recipe.digests == {"LoRA ink": digest}
    again = finish(run(Recipe.from_json(made.recipe.to_json())))
    assert pixels(again) == pixels(made)
    assert not [*drifted(made.recipe, again.recipe)]
    other = made.recipe.replace(digests={"LoRA ink": "0" * 64})
    assert [*drifted(other, again.recipe)] == [
        "It was made with another file for the LoRA ink than lies here now."
    ]


def test_an_edit_may_add_a_lora_to_its_source(sd_pipe: Any, loras: Path) -> None:
    recipe = Recipe(
        prompt="a red car",
        loras=str(loras),
        edit={"prompt": "a red car<lora:ink:1>", "blend": None, "share": (0, 0), "cross": (0, 0.5)},
        **STEPS,
    )
    edited = finish(edit(recipe, pipe=sd_pipe))
    assert isinstance(edited, Edited)
    assert pixels(edited.source.result) == pixels(draw(sd_pipe, "a red car"))
    assert pixels(edited.result) != pixels(edited.source.result)
    assert list(edited.result.recipe.digests) == ["LoRA ink"]


def test_a_batch_draws_what_a_run_draws(sd_folder: Path, loras: Path, tmp_path: Path) -> None:
    row = {"prompt": "a car <lora:ink:1>", "model": str(sd_folder), "loras": str(loras), **STEPS}
    (made,) = run_batch([row], output=tmp_path / "out")
    assert made.error is None
    (picture,) = (tmp_path / "out" / "pictures").glob("*.png")
    from PIL import Image

    alone = finish(run(Recipe(**row, threads=1)))
    assert Image.open(picture).tobytes() == pixels(alone)
    bad = {"prompt": "a car <lora:ikn:1>", "loras": str(loras)}
    (tmp_path / "bad.jsonl").write_text(json.dumps(bad))
    with pytest.raises(RecipeError, match=r"^.*line 1: .*no \"ikn.safetensors\"; did you mean"):
        read_plan(tmp_path / "bad.jsonl")


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("a car <lora:ikn:1>", 'has no "ikn.safetensors"; did you mean "ink"?'),
        ("a car <lora:zzz:1>", 'no "zzz.safetensors"; it has "ink", "oil paint", "strange".'),
        ("a car <lora:../ink:1>", 'has no "../ink.safetensors"'),
        ("a car <lora:strange:1>", "strange.safetensors does not fit this model: "),
    ],
)
def test_what_cannot_be_loaded_is_told(
    sd_pipe: Any, loras: Path, prompt: str, sentence: str
) -> None:
    with pytest.raises(CrossattnError, match=re.escape(sentence)):
        draw(sd_pipe, prompt, loras)


def test_what_a_recipe_lacks_is_told(
    sd_pipe: Any, loras: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match="no folder to look in; give the one that has it"):
        draw(sd_pipe, "a car <lora:ink:1>")
    with pytest.raises(RecipeError, match="there is no folder"):
        draw(sd_pipe, "a car <lora:ink:1>", loras / "none")
    with pytest.raises(CrossattnError, match="acts on the whole picture; write it into the prompt"):
        draw(sd_pipe, "a car", loras, negative_prompt="<lora:ink:1>")
    recipes = [Recipe(prompt=f"a {name} <lora:ink:1>", loras=str(loras)) for name in ("car", "dog")]
    with pytest.raises(RecipeError, match="LoRA ink is drawn alone"):
        run_together(recipes)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CrossattnError, match=r"pip install 'crossattn\[lora\]'"):
        draw(sd_pipe, "a car <lora:ink:1>", loras)


def test_the_command_line_has_a_folder_of_loras(
    sd_folder: Path, loras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--model", str(sd_folder), "--loras", str(loras), "--steps", "2"]
    picture = str(tmp_path / "a.png")
    assert call(["generate", "a car <lora:ikn:1>", *where, "-o", picture]) == 2
    assert 'did you mean "ink"?' in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
    assert call(["generate", "a car <lora:ink:1>", *where, "-o", picture]) == 0
    assert call(["replay", picture]) == 0
    assert call(["explain", "a car <lora:ink:1>", "--model", str(sd_folder)]) == 0
    assert 'loads the LoRA "ink", × 1' in capsys.readouterr().out
