import re
from pathlib import Path
from typing import Any

from PIL import Image


def drawn_pixels(person: Any) -> str:
    person.page.wait_for_selector("#picture[data-shown]")
    return str(person.page.locator("#picture").evaluate("c => c.toDataURL()"))


def test_a_click_in_the_history_brings_everything_back(person: Any) -> None:
    person.write("a (red:1.5) car", steps=3)
    person.page.fill("#negative textarea", "a dog")
    person.page.fill("#guidance input[type=number]", "2")
    person.page.press("#guidance input[type=number]", "Tab")
    person.generate()
    pixels = drawn_pixels(person)
    person.write("a blue cat on grass", steps=2)
    person.page.fill("#negative textarea", "")
    person.page.fill("#seed input", "11")
    person.generate()
    person.see("#strip .card").to_have_count(2)
    person.page.locator("#strip .card").last.locator("button").first.click()
    person.see("#prompt textarea").to_have_value("a (red:1.5) car")
    person.see("#negative textarea").to_have_value("a dog")
    person.see("#seed input").to_have_value("7")
    person.see("#steps input[type=number]").to_have_value("3")
    person.see("#guidance input[type=number]").to_have_value("2")
    person.see(".chip").to_have_count(3)
    person.sees_weight("red", "1.5")
    last = person.see("#strip .card:last-child > button >> nth=0")
    last.to_have_attribute("aria-current", "true")
    assert drawn_pixels(person) == pixels


def test_a_png_made_here_is_dropped_and_restores_too(person: Any, tmp_path: Path) -> None:
    person.write("a blue cat on grass", steps=3)
    person.page.fill("#seed input", "1234567890123456789")
    person.generate()
    person.tab("Save")
    with person.page.expect_download() as download:
        person.page.click("#files button:has-text('Picture')")
    file = tmp_path / "picture.png"
    download.value.save_as(file)
    pixels = drawn_pixels(person)
    person.page.reload()
    person.arrive()
    person.page.set_input_files("#drop input[type=file]", file)
    person.see(".chip").to_have_count(5)
    person.see("#prompt textarea").to_have_value("a blue cat on grass")
    person.see("#seed input").to_have_value("1234567890123456789")
    person.wait()
    assert drawn_pixels(person) == pixels


def test_a_file_that_is_no_such_picture_is_told_in_a_sentence(person: Any, tmp_path: Path) -> None:
    plain, text = (tmp_path / name / "strange.png" for name in ("plain", "text"))
    for file in (plain, text):
        file.parent.mkdir()
    Image.new("RGB", (8, 8)).save(plain)
    text.write_text("hello")
    unlike, unknown = "carries no recipe", "is not a picture in a known format"
    # The place to drop is free again after each.
    for file, told in ((plain, unlike), (text, unknown), (text, unknown)):
        person.page.set_input_files("#drop input[type=file]", file)
        person.is_told(told)
        person.see(".toast-message-text").to_have_text(re.compile("^strange.png "))
        person.page.click(".toast-close")
        person.see(".toast-message-text").to_have_count(0)
        person.see("#status").to_have_text(re.compile("ready$"))
    person.see("#drop [aria-label=Clear]").to_have_count(0)


def test_a_file_that_is_too_large_is_not_sent(person: Any, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(bytes(21 * 2**20))
    person.page.set_input_files("#drop input[type=file]", file)
    person.see("#notice").to_contain_text("large.png has 21.0 MB, and the page takes 20.0 MB")
    assert not any("/upload" in url for url in person.asked)


def test_a_file_may_be_dropped_anywhere(person: Any) -> None:
    transfer = person.page.evaluate_handle(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["hello"], "strange.png", {type: "image/png"}));
          return transfer;
        }"""
    )
    person.page.dispatch_event("#stage", "drop", {"dataTransfer": transfer})
    person.see("#notice").to_have_text("strange.png is no picture that the browser can show.")
