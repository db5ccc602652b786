from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def wait_for_prompt(person: Any, text: str) -> None:
    person.page.wait_for_function(
        "text => document.querySelector('#prompt textarea').value === text", arg=text
    )


def test_a_click_in_the_history_brings_everything_back(person: Any) -> None:
    person.write("a (red:1.5) car", steps=3)
    person.page.fill("#negative textarea", "a dog")
    person.page.fill("#guidance input[type=number]", "2")
    person.page.press("#guidance input[type=number]", "Tab")
    person.generate()
    person.write("a blue cat on grass", steps=2)
    person.page.fill("#negative textarea", "")
    person.page.fill("#seed input", "11")
    person.generate()
    assert person.page.locator("#strip button").count() == 2
    person.page.locator("#strip button").last.click()
    wait_for_prompt(person, "a (red:1.5) car")
    person.page.wait_for_function("document.querySelectorAll('.chip').length === 3")
    assert person.page.input_value("#negative textarea") == "a dog"
    assert person.page.input_value("#seed input") == "7"
    assert person.page.input_value("#steps input[type=number]") == "3"
    assert person.page.input_value("#guidance input[type=number]") == "2"
    assert person.weight("red") == "1.5"
    person.page.wait_for_selector("#strip button:last-child[aria-current=true]")


def test_a_png_made_here_is_dropped_and_restores_too(person: Any, tmp_path: Path) -> None:
    person.write("a blue cat on grass", steps=3)
    person.page.fill("#seed input", "12345678901234567890"[:19])
    person.generate()
    with person.page.expect_download() as download:
        person.page.click("#files button:has-text('Picture')")
    file = tmp_path / "picture.png"
    download.value.save_as(file)
    before = person.page.locator("#picture").evaluate("c => c.toDataURL()")
    person.page.reload()
    person.page.wait_for_selector("#drop input[type=file]", state="attached")
    person.page.wait_for_function("document.querySelector('#prompt-hint')?.textContent.length > 5")
    person.page.set_input_files("#drop input[type=file]", file)
    person.page.wait_for_selector(".chip")
    wait_for_prompt(person, "a blue cat on grass")
    assert person.page.input_value("#seed input") == "1234567890123456789"
    person.page.wait_for_selector("#picture[data-shown]")
    assert person.page.locator("#picture").evaluate("c => c.toDataURL()") == before


@pytest.mark.parametrize(
    ("kind", "told"),
    [("plain", "carries no recipe"), ("text", "is not a picture in a known format")],
)
def test_a_file_that_is_no_such_picture_is_told_in_a_sentence(
    person: Any, tmp_path: Path, kind: str, told: str
) -> None:
    file = tmp_path / "strange.png"
    if kind == "plain":
        Image.new("RGB", (8, 8)).save(file)
    else:
        file.write_text("hello")
    person.page.set_input_files("#drop input[type=file]", file)
    assert told in person.told()
