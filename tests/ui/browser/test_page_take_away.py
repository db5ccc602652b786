import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from crossattn.pipelines.picture import read_recipe
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.trace import Trace


def download(person: Any, name: str, folder: Path) -> Path:
    person.tab("Save")
    with person.page.expect_download() as started:
        person.page.click(f"#files button:has(span:text-is('{name}'))")
    file = folder / started.value.suggested_filename
    started.value.save_as(file)
    return file


def test_the_picture_comes_with_its_recipe_and_equals_a_run_of_it(
    drawn: Any, sd_pipe: Any, tmp_path: Path
) -> None:
    file = download(drawn, "Picture, recipe inside", tmp_path)
    recipe = read_recipe(file)
    assert recipe.prompt == drawn.prompt
    *_, result = run(recipe, pipe=sd_pipe)
    assert isinstance(result, Result)
    with Image.open(file) as image:
        assert np.array_equal(np.asarray(image), np.asarray(result.image))


def test_overlays_come_one_a_word(drawn: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(download(drawn, "Overlays, one a word", tmp_path)) as archive:
        names = archive.namelist()
        assert [name.split("-")[1] for name in names] == [
            f"{word}.png" for word in drawn.prompt.split()
        ]
        with Image.open(io.BytesIO(archive.read(names[0]))) as overlay:
            assert min(overlay.size) >= 384


def test_a_contact_sheet_shows_the_picture_and_every_word(drawn: Any, tmp_path: Path) -> None:
    file = download(drawn, "Contact sheet", tmp_path)
    assert file.name.endswith("-seed7-words.png")
    with Image.open(file) as sheet:
        assert min(sheet.size) >= 400


def test_a_film_shows_the_picture_and_every_word_over_the_steps(drawn: Any, tmp_path: Path) -> None:
    with Image.open(download(drawn, "Film over the steps", tmp_path)) as film:
        assert (film.format, getattr(film, "n_frames", 1)) == ("WEBP", 5)


def test_a_server_that_does_not_answer_is_told_of_in_a_sentence(person: Any) -> None:
    person.write("a red car", steps=1).generate()
    person.page.route("**/component_server**", lambda route: route.abort())
    person.tab("Save").page.click("#files button:has-text('Contact sheet')")
    person.see("#notice").to_have_text(
        "The page did not get an answer; is crossattn still running?"
    )


def test_the_trace_can_be_asked_for_words(drawn: Any, tmp_path: Path) -> None:
    trace = Trace.load(download(drawn, "Attention trace", tmp_path))
    assert [word.text for word, _ in trace.mass] == drawn.prompt.split()


def test_recipe_script_and_batch_line_say_the_same(drawn: Any, tmp_path: Path) -> None:
    recipe = Recipe.from_json(download(drawn, "Recipe", tmp_path).read_text())
    line = json.loads(download(drawn, "Batch line", tmp_path).read_text())
    made = recipe.model_dump(include={"versions", "device", "revision", "threads"})
    assert Recipe.model_validate({**line, **made}) == recipe
    script = download(drawn, "Python script", tmp_path).read_text()
    compile(script, "picture.py", "exec")
    assert repr(drawn.prompt) in script
    assert "crossattn heatmap 'a red car left of" in drawn.code("Command line")


def test_what_is_shown_is_copied(drawn: Any) -> None:
    drawn.tab("Save").page.click("#code-tabs [role=tab]:has-text('Python')")
    labels = drawn.follow("#copy span")
    drawn.page.click("#copy")
    drawn.see("#say").to_have_text("Copied")
    drawn.see("#copy").to_have_text("Copy")
    assert labels() == ["Copied", "Copy"]
    copied = drawn.page.evaluate("navigator.clipboard.readText()")
    assert copied == drawn.page.inner_text("#code")
