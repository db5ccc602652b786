"""A picture of one's own: it is brought along, and the words of the prompt are found in it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from crossattn.pipelines.picture import read_recipe
from crossattn.ui.browser.drawing import from_data_url
from crossattn.ui.browser.parts import STATIC

DROP = """([picture, name]) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, {type: "image/jpeg"}));
  document.querySelector("#stage").dispatchEvent(
    new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "garden.jpg"
    Image.radial_gradient("L").resize((300, 200)).convert("RGB").save(file)
    return file


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A picture by the model that ships: that with which the page begins."""
    picture = json.loads((STATIC / "first.json").read_text())["picture"]
    from_data_url(picture["url"]).save(tmp_path / "card.png")
    return tmp_path / "card.png"


def test_the_words_of_a_caption_are_found_in_a_picture_of_ones_own(
    person: Any, photo: Path
) -> None:
    page = person.page
    page.fill("#prompt textarea", "a white ball")
    page.set_input_files("#own-file", photo)
    person.see(".chip").to_have_count(3)
    person.wait()
    person.see("#go-hint").to_have_text("Your own picture; the prompt is its caption.")
    shape = page.locator("#stage").bounding_box()
    assert shape["width"] / shape["height"] == pytest.approx(1.5, rel=0.02)
    person.chip("ball").hover()
    person.sees_over("heat")
    person.see("#caption").to_contain_text("ball covers")
    person.see("#excite").to_be_disabled()
    assert Axe().run(page, context=".part").response["violations"] == []
    page.mouse.move(2, 2)
    page.fill("#prompt textarea", "a round white ball")
    person.see("#go-hint").to_contain_text("Another caption")
    page.click("#own-look")
    person.see(".chip").to_have_count(4)
    person.see("#strip .card").to_have_count(0)
    person.write("a red car", steps=1).generate()
    person.see("#own-look").to_be_hidden()


def test_a_caption_is_proposed_where_the_prompt_is_of_another_picture(
    person: Any, photo: Path, card: Path
) -> None:
    page = person.page
    example = page.input_value("#prompt textarea")
    page.set_input_files("#own-file", photo)
    person.see("#own-note").to_contain_text("Write in the prompt what is in your picture")
    person.see("#prompt textarea").to_be_focused()
    person.see("#prompt textarea").to_have_value(example)
    person.see(".chip").to_have_count(0)
    page.set_input_files("#own-file", card)
    person.see("#own-note").to_contain_text("Its caption is proposed")
    person.wait()
    proposed = page.input_value("#prompt textarea").split()
    assert proposed != example.split()
    person.see(".chip").to_have_count(len(proposed))


def test_a_word_of_a_picture_of_ones_own_is_replaced_and_the_rest_stays(
    person: Any, photo: Path
) -> None:
    page = person.page
    person.write("a white ball", steps=2)
    page.set_input_files("#own-file", photo)
    person.see(".chip").to_have_count(3)
    person.wait()
    for word, other, cards in (("ball", "car", 2), ("car", "dog", 3)):
        person.chip(word).dblclick()
        page.keyboard.type(other)
        page.keyboard.press("Enter")
        person.see("#strip .card").to_have_count(cards)
        person.wait()
        person.see("#strip").to_contain_text(f"edit: ball → {other}")
    person.see("#go-hint").to_contain_text("The picture is an edit of this prompt")
    shape = page.locator("#stage").bounding_box()
    assert shape["width"] / shape["height"] == pytest.approx(1.5, rel=0.02)
    person.tab("Edit")
    person.see("#mask-caption").to_contain_text("could change")
    person.tab("Save")
    with page.expect_download() as told:
        page.click("#files button:has-text('Picture')")
    named = read_recipe(told.value.path()).picture
    # The photograph was sent as it is.
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    assert (named.path, named.sha256) == (photo.name, digest)
    edited = Image.open(told.value.path()).convert("RGB")
    assert edited.size == (300, 200)
    assert edited.tobytes() != Image.open(photo).tobytes()


def test_a_photograph_that_is_dropped_is_looked_into(person: Any, photo: Path) -> None:
    import base64

    person.page.fill("#prompt textarea", "a white ball")
    encoded = base64.b64encode(photo.read_bytes()).decode()
    person.page.evaluate(DROP, [encoded, photo.name])
    person.see(".chip").to_have_count(3)
    person.wait()


def test_a_file_that_is_no_picture_is_told_in_a_sentence(person: Any, tmp_path: Path) -> None:
    file = tmp_path / "notes.png"
    file.write_text("hello")
    person.page.set_input_files("#own-file", file)
    person.see("#notice").to_have_text("notes.png is no picture that the browser can show.")
