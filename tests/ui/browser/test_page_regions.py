import json
import re
from pathlib import Path
from typing import Any


def inside(person: Any) -> int:
    return int(person.page.inner_text("#region-list .n").split(" %")[0])


def test_a_word_is_brushed_a_place_and_held_to_it(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.tab("Regions")
    person.page.click("#region-words button:has-text('car')")
    person.see("#caption").to_have_text("Brushing where car may go")
    person.page.fill("#brush-size", "160")
    person.strokes((0.25, 0.1), (0.25, 0.9))
    person.page.wait_for_selector("#region-list .n")
    free = inside(person)
    assert 15 < free < 60
    painted = person.page.evaluate(
        "(() => { const drawn = document.querySelector('#regions-layer').getContext('2d');"
        " return [64, 220].map(x => drawn.getImageData(x, 128, 1, 1).data[3]); })()"
    )
    assert painted[0] > 100
    assert painted[1] == 0
    person.page.fill("input[aria-label='During, to step']", "4")
    person.page.click("#regions-draw")
    person.wait()
    assert inside(person) > 85
    person.see("#strip").to_contain_text("held: car")
    person.see("#stage").not_to_have_class(re.compile("painting"))  # it is seen bare


def test_strokes_are_erased_undone_and_cleared(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.tab("Regions")
    person.page.click("#region-words button:has-text('car')")
    person.strokes((0.3, 0.3), (0.6, 0.3))
    area = person.page.inner_text("#region-list em")
    person.strokes((0.3, 0.7), (0.6, 0.7))
    person.see("#region-list em").not_to_have_text(area)
    person.page.click("#region-undo")
    person.see("#region-list em").to_have_text(area)
    person.page.click("#region-tool button:has-text('Erase')")
    person.page.fill("#brush-size", "160")
    person.strokes((0.2, 0.3), (0.7, 0.3))
    person.see("#region-list .none").to_be_visible()
    person.see("#regions-draw").to_be_disabled()
    person.page.click("#region-clear")
    person.see("#region-clear").to_be_disabled()


def brush(person: Any, word: str, x: float) -> None:
    """Brush down the picture for a word, such as red or, of several, red2."""
    person.page.locator("#region-words button").filter(has_text=re.compile(f"^{word}$")).click()
    person.page.fill("#brush-size", "160")
    person.strokes((x, 0.1), (x, 0.9))
    person.see("#region-list").to_contain_text(re.sub("([0-9])", r" \1", word))


def held(person: Any) -> list[dict[str, Any]]:
    """The regions of the recipe that is taken away, once the picture is on the stage."""
    person.wait()
    regions: list[dict[str, Any]] = json.loads(person.code("Recipe"))["regions"]
    return regions


def test_two_of_one_word_have_regions_of_their_own(person: Any) -> None:
    person.write("a red car and a red dog").generate()
    person.tab("Regions")
    brush(person, "red1", 0.2)
    brush(person, "red2", 0.8)
    person.page.click("#regions-draw")
    person.see("#strip").to_contain_text("held: red 1, red 2")
    first, second = held(person)
    assert (first["word"], second["word"]) == ("red#1", "red#2")
    rows = first["mask"][32], second["mask"][32]
    assert [row.find("#") < 16 for row in rows] == [True, False]
    person.see("#region-list li").to_have_count(2)


def test_regions_stay_until_they_are_taken_away_whatever_is_drawn(person: Any) -> None:
    person.write("a red car on grass", steps=3).generate()
    person.tab("Regions")
    brush(person, "car", 0.25)
    person.page.click("#regions-draw")
    person.see("#strip").to_contain_text("held: car")
    kept = held(person)
    person.tab("Weights")
    person.page.fill("input[aria-label='Weight of red']", "1.5")
    person.see("#prompt textarea").to_have_value("a (red:1.5) car on grass")
    person.page.click("#weights-draw")
    person.see("#picture").to_have_attribute("aria-label", "a (red:1.5) car on grass")
    assert held(person) == kept
    person.tab("Regions")
    person.page.click("[aria-label='Remove the region of car']")
    person.generate()
    person.see("#strip .card").to_have_count(4)
    assert held(person) == []


def test_a_region_whose_word_is_no_longer_typed_is_marked_and_left_out(person: Any) -> None:
    person.write("a red car on grass", steps=2).generate()
    person.tab("Regions")
    brush(person, "car", 0.25)
    person.page.fill("#prompt textarea", "a red dog on grass")
    person.see("#region-list .n").to_have_text("not in the prompt")
    person.generate()
    person.see("#picture").to_have_attribute("aria-label", "a red dog on grass")
    assert held(person) == []
    person.see("#region-list .none").to_be_visible()


def test_a_word_of_an_edited_picture_is_held_in_the_edit(person: Any) -> None:
    person.write("a red car on grass", steps=3)
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on grass")
    person.see("#align .swapped").to_contain_text("dog")
    person.page.click("#edit-more > summary")
    person.page.fill("input[aria-label='Layout, to step']", "0")
    person.page.click("#edit-run")
    person.wait()
    person.page.click("#compare")
    person.see("#tag-left").to_have_text("Source")
    person.tab("Regions")
    person.see("#tag-left").to_be_hidden()
    person.see("#regions-lead").to_contain_text("while its layout is kept")
    person.page.fill("input[aria-label='During, to step']", "3")
    brush(person, "dog", 0.25)
    person.page.click("#regions-draw")
    person.see("#strip .card").to_have_count(3)
    person.see("#picture").to_have_attribute("aria-label", "a red dog on grass")
    assert [one["word"] for one in held(person)] == ["dog"]
    assert inside(person) > 85


def test_a_dropped_picture_brings_its_regions(person: Any, tmp_path: Path) -> None:
    person.write("a red car on grass", steps=2).generate()
    person.tab("Regions")
    brush(person, "car", 0.25)
    person.page.click("#regions-draw")
    person.see("#strip").to_contain_text("held: car")
    kept = held(person)
    person.tab("Save")
    with person.page.expect_download() as download:
        person.page.click("#files button:has-text('Picture')")
    download.value.save_as(tmp_path / "held.png")
    person.page.reload()
    person.arrive()
    person.page.set_input_files("#drop input[type=file]", tmp_path / "held.png")
    person.see("#strip").to_contain_text("held: car")
    person.tab("Regions")
    person.see("#region-list").to_contain_text("car")
    person.page.click("#regions-draw")
    assert held(person) == kept
