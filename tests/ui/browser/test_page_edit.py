from typing import Any


def rows(person: Any) -> list[list[str]]:
    found: list[list[str]] = person.page.eval_on_selector_all(
        "#align tr",
        "all => all.map(row => [row.className, ...[...row.cells].map(c => c.textContent)])",
    )
    return [[kind, source, target] for kind, source, _, target in found]


def test_the_alignment_is_shown_before_the_edit_and_its_report_after(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on blue grass")
    person.page.wait_for_function("document.querySelectorAll('#align tr.added').length === 1")
    assert rows(person) == [
        ["kept", "a red", "a red"],
        ["swapped", "car", "dog"],
        ["kept", "on", "on"],
        ["added", "", "blue"],
        ["kept", "grass", "grass"],
    ]
    assert person.page.inner_text("#align-sum") == "4 kept, 1 swapped, 1 added, 0 dropped"
    person.page.click("#blend-words button:has-text('car')")
    person.page.click("#protect-words button:has-text('grass')")
    assert "may change" in person.page.inner_text("#mask-caption")
    person.page.click("#edit-run")
    person.wait()
    person.page.wait_for_selector("#tag-left")
    assert person.page.inner_text("#tag-left") == "Source"
    facts = person.page.inner_text("#edit-facts").split("\n")
    told = dict(zip(facts[::2], facts[1::2], strict=True))
    assert told["Cross-attention edited"] == "4 layers × 3 steps"
    assert told["Pixels changed outside"].endswith("%")
    assert "could change" in person.page.inner_text("#mask-caption")
    assert person.page.locator("#strip button").count() == 2
    assert "edit: car → dog blue" in person.page.inner_text("#strip")


def test_the_source_is_drawn_once_for_several_edits(person: Any) -> None:
    person.write("a red car on grass", steps=5)
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on grass")
    person.page.wait_for_selector("#align .swapped")
    totals = []
    for target in ("a red dog on grass", "a red cat on grass"):
        person.page.fill("#target textarea", target)
        person.page.evaluate(
            "window.totals = []; new MutationObserver(() => { const found ="
            " /of (\\d+)/.exec(document.querySelector('#status').textContent);"
            " if (found) window.totals.push(Number(found[1])); })"
            ".observe(document.querySelector('#status'), {childList: true})"
        )
        person.page.click("#edit-run")
        person.wait()
        person.page.wait_for_function(
            "words => document.querySelector('#picture').getAttribute('aria-label') === words",
            arg=target,
        )
        totals.append(max(person.page.evaluate("window.totals")))
    assert totals == [10, 5]


def test_windows_are_set_in_steps_and_stand_in_the_recipe(person: Any) -> None:
    person.write("a red car on grass", steps=4)
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on grass")
    person.page.wait_for_selector("#align .swapped")
    person.page.fill("input[aria-label='Cross, to step']", "2")
    person.page.fill("input[aria-label='Self, to step']", "0")
    assert person.page.inner_text("#windows").split("\n")[:4] == ["Cross", "1 – 2", "Self", "off"]
    person.page.click("#edit-run")
    person.wait()
    person.page.wait_for_selector("#tag-left")
    told = person.page.inner_text("#edit-facts")
    assert "4 layers × 2 steps" in told
    assert "Self-attention shared\nnone" in told
    person.page.click("#code-tabs [role=tab]:has-text('Recipe')")
    assert '"cross": [\n      0.0,\n      0.5\n    ]' in person.page.inner_text("#code")


def test_an_edit_into_the_same_words_is_not_offered(person: Any) -> None:
    person.write("a red car on grass")
    person.tab("Edit")
    person.page.fill("#target textarea", "a red car on grass")
    person.page.wait_for_function("document.querySelector('#edit-run').disabled")
    assert "nothing to edit" in person.page.inner_text("#align-note")
