"""What prompts say in notations that change, join, turn around or lengthen them."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from crossattn.dialects import NOTATIONS
from crossattn.errors import PromptError, RecipeError
from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.edit import edit
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run

pytestmark = pytest.mark.slow

DIALECTS = list(NOTATIONS)
SIZE: dict[str, Any] = {"steps": 4, "seed": 3, "guidance": 4.0}


def draw(pipe: Any, prompt: str, **more: Any) -> Result:
    *_, last = run(Recipe(prompt=prompt, **{**SIZE, **more}), pipe=pipe)
    assert isinstance(last, Result)
    return last


def latents(pipe: Any, prompt: str, **more: Any) -> list[torch.Tensor]:
    events: Iterator[Any] = run(Recipe(prompt=prompt, **{**SIZE, **more}), pipe=pipe)
    return [event.latents for event in events if isinstance(event, Progress)]


@pytest.mark.parametrize("family", ["sd_pipe", "sdxl_pipe"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_weights_in_the_negative_prompt_act_in_every_dialect_and_are_reported(
    family: str, dialect: str, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(family)
    common = {"dialect": dialect, "steps": 1, "height": 64, "width": 64}
    plain = draw(pipe, "a cat", negative_prompt="grass, dog", **common)
    heavy = draw(pipe, "a cat", negative_prompt="(grass:1.9), dog", **common)
    light = draw(pipe, "a cat", negative_prompt="(grass:0.2), dog", **common)
    assert len({one.image.tobytes() for one in (plain, heavy, light)}) == 3
    assert [(word.text, word.weight) for word in heavy.negative_words] == [
        ("grass", 1.9),
        ("dog", 1),
    ]
    assert all(0 < word.mass < 1 for word in heavy.negative_words)
    assert plain.negative_words == ()


@pytest.mark.parametrize("dialect", ["a1111", "comfy", "attention"])
def test_a_prompt_weighs_alike_on_either_side_of_guidance(sd_pipe: Any, dialect: str) -> None:
    """With the sides exchanged and guidance 1 - g, the picture is the same."""
    weighed, other = "a (red:1.5) (car:0.5)", "the dog"
    common = {"dialect": dialect, "steps": 1}
    one = latents(sd_pipe, weighed, negative_prompt=other, guidance=3.0, **common)[-1]
    alone, against = (
        latents(sd_pipe, prompt, guidance=1.0, **common)[-1] for prompt in (weighed, other)
    )
    two = latents(sd_pipe, other, negative_prompt=weighed, guidance=3.0, **common)[-1]
    # A first step is linear in what is predicted, so the two mirror each other.
    torch.testing.assert_close(one + two, alone + against, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "difference"])
def test_a_word_that_is_turned_around_is_reported_by_how_much_it_is_looked_at(
    sd_pipe: Any, dialect: str
) -> None:
    plain = draw(sd_pipe, "a red car on grass", steps=1)
    turned = draw(sd_pipe, "a red (car:-1) on grass", steps=1, dialect=dialect)
    assert turned.image.tobytes() != plain.image.tobytes()
    car = turned.words[2]
    assert (car.text, car.weight) == ("car", -1)
    assert car.mass == pytest.approx(plain.words[2].mass, rel=0.02)
    assert (turned.trace["car"].data >= 0).all()


def test_a_difference_turned_around_goes_to_the_other_side(sd_pipe: Any) -> None:
    plain, gone, turned = (
        draw(sd_pipe, f"a (red:{weight}) car", steps=1, dialect="difference")
        for weight in (1, 0, -1)
    )
    assert len({result.image.tobytes() for result in (plain, gone, turned)}) == 3
    [red] = [word for word in turned.words if word.text == "red"]
    assert red.weight == -1 and red.had == pytest.approx(plain.words[1].mass, rel=0.02)


def test_weights_that_hardly_move_the_attention_say_so(sd_pipe: Any) -> None:
    little = draw(sd_pipe, "a red (car:1.01)", steps=1, dialect="attention")
    assert any("hardly changes a picture" in note for note in little.warnings)
    much = draw(sd_pipe, "a red (car:9)", steps=1, dialect="attention")
    assert not any("hardly changes a picture" in note for note in much.warnings)


def test_a_negative_weight_is_its_size_with_the_value_turned_around(sd_pipe: Any) -> None:
    pictures = {
        weight: draw(sd_pipe, f"a red (car:{weight})", steps=1, dialect="attention")
        for weight in (0, -1, -2)
    }
    assert len({one.image.tobytes() for one in pictures.values()}) == 3
    assert pictures[-2].words[2].mass == pytest.approx(2 * pictures[-1].words[2].mass, rel=1e-3)


def test_a_negative_prompt_cannot_turn_words_around() -> None:
    with pytest.raises(PromptError, match='turns "car" around by the weight -1'):
        Recipe(prompt="a dog", negative_prompt="(car:-1)")


def test_words_change_at_the_step_that_is_asked_for(sd_pipe: Any) -> None:
    changed = latents(sd_pipe, "a [red:blue:0.5] car")
    red, blue = latents(sd_pipe, "a red car"), latents(sd_pipe, "a blue car")
    assert torch.equal(changed[1], red[1])
    assert not torch.equal(changed[2], red[2])
    assert not torch.equal(changed[2], blue[2])
    for same in ("a [red:blue:2] car", "a [red::2][blue:2] car", "[a red:a blue:.5] car"):
        assert torch.equal(latents(sd_pipe, same)[-1], changed[-1])


def test_a_change_at_the_very_start_or_never_is_no_change(sd_pipe: Any) -> None:
    assert torch.equal(
        latents(sd_pipe, "a [red:blue:0] car")[-1], latents(sd_pipe, "a blue car")[-1]
    )
    assert torch.equal(
        latents(sd_pipe, "a [red:blue:9] car")[-1], latents(sd_pipe, "a red car")[-1]
    )


@pytest.mark.parametrize("scheduler", ["heun", "euler-a", "dpm++"])
def test_each_stretch_of_the_run_has_its_own_words(sd_pipe: Any, scheduler: str) -> None:
    result = draw(sd_pipe, "a [red|blue|] (car:1.5)", scheduler=scheduler)
    assert [(one.text, one.steps) for one in result.passages] == [
        ("a red car", (0, 3)),
        ("a blue car", (1,)),
        ("a  car", (2,)),
    ]
    assert [[word.text for word in one.words] for one in result.passages] == [
        ["a", "red", "car"],
        ["a", "blue", "car"],
        ["a", "car"],
    ]
    for one in result.passages:
        assert one.trace.view.steps == list(one.steps)
        assert all(0 < word.mass < 1 for word in one.words)
        assert one.words[-1].weight == 1.5
        assert one.words[-1].had is not None
    assert result.words == result.passages[0].words
    assert any('"a blue car" at step 2' in note for note in result.warnings)


def test_the_negative_prompt_changes_too(sd_pipe: Any) -> None:
    changed = latents(sd_pipe, "a car", negative_prompt="[red:blue:0.5]")
    red = latents(sd_pipe, "a car", negative_prompt="red")
    assert torch.equal(changed[1], red[1])
    assert not torch.equal(changed[2], red[2])


def test_a_schedule_holds_weights_and_other_schedules(sd_pipe: Any) -> None:
    result = draw(sd_pipe, "[a (red:1.4)|the [blue:dog:2]] car")
    assert [(one.text, one.steps) for one in result.passages] == [
        ("a red car", (0, 2)),
        ("the blue car", (1,)),
        ("the dog car", (3,)),
    ]


def test_and_adds_up_what_prompts_ask_for(sd_pipe: Any) -> None:
    def step(prompt: str) -> torch.Tensor:
        return latents(sd_pipe, prompt, steps=1)[-1]

    none = latents(sd_pipe, "a", steps=1, guidance=4.0)[-1]
    cat, dog = step("a red cat"), step("a dog")
    assert torch.equal(step("a red cat"), cat)
    torch.testing.assert_close(
        step("a red cat AND a dog :0"), step("a red cat AND the grass :0"), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(step("a red cat AND a dog :0"), cat, atol=1e-3, rtol=1e-3)
    # A first step is linear in what is predicted.
    both, half = step("a red cat AND a dog"), step("a red cat :0.5 AND a dog :0.5")
    torch.testing.assert_close(half, (cat + dog) / 2, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(both, none)


def test_each_side_of_and_has_its_maps(sd_pipe: Any) -> None:
    result = draw(sd_pipe, "a red (cat:1.5) AND a dog :0.8", dialect="attention")
    cat, dog = result.passages
    assert [one.weight for one in result.passages] == [1.0, 0.8]
    assert [word.text for word in cat.words] == ["a", "red", "cat"]
    assert [word.text for word in dog.words] == ["a", "dog"]
    assert cat.words[2].mass == pytest.approx(1.5 * (cat.words[2].had or 0), rel=1e-3)
    assert dog.trace["dog"].data.shape == (8, 8)


def test_and_needs_guidance() -> None:
    with pytest.raises(RecipeError, match="guidance above 1"):
        list(run(Recipe(prompt="a cat AND a dog", steps=1, guidance=1.0)))


@pytest.mark.parametrize("family", ["sd_pipe", "sdxl_pipe"])
@pytest.mark.parametrize("prompt", ["a red cat BREAK a (dog:1.3)", "red " * 80 + "(dog:1.3)"])
def test_every_word_of_a_long_prompt_is_drawn_and_found(
    family: str, prompt: str, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(family)
    result = draw(pipe, prompt, steps=1, height=64, width=64, dialect="attention")
    dog = result.words[-1]
    assert dog.tokens == ((79,) if "BREAK" in prompt else (83,))
    assert dog.had is not None
    assert dog.mass == pytest.approx(1.3 * dog.had, rel=1e-3)
    assert result.trace["dog"].data.sum() > 0
    assert not [note for note in result.warnings if "fell off" in note]


def test_a_long_negative_prompt_is_read_to_its_end(sd_pipe: Any) -> None:
    first, second = (
        draw(sd_pipe, "a cat", steps=1, negative_prompt="red " * 90 + last)
        for last in ("dog", "car")
    )
    assert first.image.tobytes() != second.image.tobytes()


def test_an_edit_swaps_words_of_a_later_stretch(sd_pipe: Any) -> None:
    recipe = Recipe(
        prompt="a cat BREAK a red car", edit={"prompt": "a cat BREAK a blue car"}, **SIZE
    )
    *_, edited = edit(recipe, pipe=sd_pipe)
    [moved] = [word for word in edited.report.words if word.text == "blue"]
    assert moved.source == ("red",)
    assert edited.result.words[3].tokens == (79,)


def test_an_edit_into_a_longer_prompt_keeps_its_source_in_as_many_stretches(sd_pipe: Any) -> None:
    recipe = Recipe(prompt="a red car", edit={"prompt": "a red car BREAK a dog"}, **SIZE)
    *_, edited = edit(recipe, pipe=sd_pipe)
    assert edited.source.length == 2
    with pytest.raises(RecipeError, match="encoded in 2 stretches and this edit needs 1"):
        list(edit(recipe.replace(edit={"prompt": "a red dog"}), pipe=sd_pipe, source=edited.source))


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("a cat <hypernet:pastel:0.7>", "is how a network is asked for elsewhere"),
        ("a cat <lora:pastel", "begins a LoRA and does not end it"),
        ("a cat <lora:pastel:strong>", "is not a LoRA that can be read"),
        ("a {red|blue} cat", "a choice of dynamic prompts"),
        ("a __colour__ cat", "a choice of dynamic prompts"),
        ("{2$$red$$blue} cat", "a choice of dynamic prompts"),
        ('("cat", "dog").blend(0.5, 0.5)', "compel's way to join the embeddings"),
        ('("a cat","a dog").and(1,0)', "compel's way to join the embeddings"),
        ("a cat.swap(dog)", "compel's way to swap words"),
        ("(a cat).attend(1.3)", "write (word:1.3)"),
        ("embedding:easynegative, a cat", "ComfyUI's way to ask for a textual inversion"),
        ("a cat ADDCOL a dog", "a mark of Regional Prompter"),
        ("a cat COUPLE(0 0.5) a dog", "a call of ComfyUI's prompt-control"),
        ("a cat AND", "one side of it is empty"),
        ("a [cat:1.3]", "a weight stands in round brackets"),
        ("a [cat:dog:red:0.3]", "is not a change of words that can be read"),
        ("a [cat|dog:1.3]", "[a|(b:1.2)]"),
        ("a [cat|(dog:nan)]", "has nan"),
    ],
)
def test_what_is_not_served_is_refused_by_name_and_never_read_as_words(
    prompt: str, sentence: str
) -> None:
    for fields in ({"prompt": prompt}, {"prompt": "a cat", "edit": {"prompt": prompt}}):
        with pytest.raises(PromptError) as raised:
            Recipe(**fields)
        if "edit" not in fields or sentence[0] == '"' or "way" in sentence:
            assert sentence in str(raised.value) or "alone is read here" in str(raised.value)
    with pytest.raises(PromptError):
        Recipe(prompt="a cat", negative_prompt=prompt)


def test_a_backslash_makes_any_notation_plain(sd_pipe: Any) -> None:
    source = r"a \{red|blue} cat \AND \<lora:x:1> \__dog__ \[a|b\] embedding\:car \BREAK"
    [passage] = draw(sd_pipe, source, steps=1).passages
    assert passage.text == "a {red|blue} cat AND <lora:x:1> __dog__ [a|b] embedding:car BREAK"


def test_an_edit_is_of_one_prompt() -> None:
    with pytest.raises(PromptError, match="one prompt alone is read here, or edited"):
        Recipe(prompt="a [red|blue] car", edit={"prompt": "a red car"})
    with pytest.raises(PromptError, match="AND joins several prompts"):
        Recipe(prompt="a red car", edit={"prompt": "a red car AND a dog"})


def test_marks_of_another_dialect_are_told(sd_pipe: Any) -> None:
    notes = draw(sd_pipe, "a (red) [car] dog++", steps=1, dialect="compel").warnings
    assert notes[0] == '"(red)": taken away: brackets alone weigh nothing in compel.'
    assert notes[-1] == "Weights are written (word:1.3) in every dialect."
    assert draw(sd_pipe, "a (red) [car]", steps=1, dialect="a1111").warnings == ()
