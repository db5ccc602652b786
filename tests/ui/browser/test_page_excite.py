"""Every word is there: a switch that the recipe, the history and other pictures keep."""

import json
from typing import Any


def recipe(person: Any) -> dict[str, Any]:
    """The recipe that is taken away, once the picture is on the stage."""
    person.wait()
    return dict(json.loads(person.code("Recipe")))


def test_words_are_made_sure_of_by_keys_alone(person: Any) -> None:
    person.write("a red car and a dog on grass", steps=2).generate()
    keys, page = person.page.keyboard, person.page
    person.see("#excite-hint").to_contain_text("takes two to six times as long")
    page.focus("#excite")
    keys.press("Space")
    for word, meant in (("red", "false"), ("car", "true"), ("dog", "true"), ("grass", "false")):
        person.see(f"#excite-words [data-name={word}]").to_have_attribute("aria-pressed", meant)
    person.see("#go-hint").to_contain_text("Not drawn yet: words made sure of (car, dog).")
    keys.press("Control+Enter")
    person.see("#go-hint").to_have_text("Picture and settings agree. Made sure of: car, dog.")
    assert recipe(person)["excite"] == []
    page.focus("#excite-words [data-name=dog]")
    keys.press("Enter")
    person.see("#excite-words [data-name=dog]").to_be_focused()
    keys.press("Control+Enter")
    person.see("#go-hint").to_have_text("Picture and settings agree. Made sure of: car.")
    assert recipe(person)["excite"] == ["car"]
    page.locator("#strip .card").last.locator("button").first.click()
    person.see("#excite").not_to_be_checked()
    person.see("#go-hint").to_have_text("Picture and settings agree.")
    page.fill("#prompt textarea", "a [car:dog:0.5]")
    person.see("#excite").to_be_disabled()
    person.see("#excite-hint").to_contain_text("stays the same during the run")
