from typing import Any


def brush(person: Any, *points: tuple[float, float]) -> None:
    box = person.page.locator("#stage").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    person.page.mouse.move(*places[0])
    person.page.mouse.down()
    for place in places[1:]:
        person.page.mouse.move(*place, steps=4)
    person.page.mouse.up()


def inside(person: Any) -> int:
    return int(person.page.inner_text("#region-list .n").split(" %")[0])


def test_a_word_is_brushed_a_place_and_held_to_it(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.tab("Regions")
    person.page.click("#region-words button:has-text('car')")
    assert "Brushing where car may go" in person.page.inner_text("#caption")
    person.page.fill("#brush-size", "160")
    brush(person, (0.25, 0.1), (0.25, 0.9))
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
    person.page.wait_for_function(
        "before => parseInt(document.querySelector('#region-list .n').textContent) > before",
        arg=free + 20,
    )
    assert inside(person) > 85
    assert "held: car" in person.page.inner_text("#strip")


def test_strokes_are_erased_undone_and_cleared(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.tab("Regions")
    person.page.click("#region-words button:has-text('car')")
    brush(person, (0.3, 0.3), (0.6, 0.3))
    person.page.wait_for_selector("#region-list em")
    area = person.page.inner_text("#region-list em")
    brush(person, (0.3, 0.7), (0.6, 0.7))
    person.page.wait_for_function(
        "area => document.querySelector('#region-list em').textContent !== area", arg=area
    )
    person.page.click("#region-undo")
    assert person.page.inner_text("#region-list em") == area
    person.page.click("#region-tool button:has-text('Erase')")
    person.page.fill("#brush-size", "160")
    brush(person, (0.2, 0.3), (0.7, 0.3))
    person.page.wait_for_selector("#region-list .none")
    assert person.page.is_disabled("#regions-draw")
    person.page.click("#region-clear")
    assert person.page.is_disabled("#region-clear")
