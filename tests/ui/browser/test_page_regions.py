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
