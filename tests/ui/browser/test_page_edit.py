from typing import Any

import pytest


def lit(person: Any) -> int:
    """How many pixels of the mask's little picture are in colour: those that may change."""
    return int(
        person.page.locator("#mask").evaluate(
            """(mask) => {
              const { data } = mask.getContext("2d").getImageData(0, 0, 112, 112);
              let count = 0;
              for (let at = 0; at < data.length; at += 4)
                count += data[at] !== data[at + 1] || data[at] !== data[at + 2];
              return count;
            }"""
        )
    )


def test_the_alignment_is_shown_before_the_edit_and_its_report_after(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on blue grass")
    person.see("#align tr").to_have_class(["kept", "swapped", "kept", "added", "kept"])
    kept, swapped, added = "= kept", "⇄ swapped", "+ added"
    table = [
        *("a red", kept, "a red"),
        *("car", swapped, "dog"),
        *("on", kept, "on"),
        *("", added, "blue"),
        *("grass", kept, "grass"),
    ]
    person.see("#align td").to_have_text(table)
    person.see("#align-sum").to_have_text("4 kept, 1 swapped, 1 added, 0 dropped")
    person.page.click("#edit-more > summary")
    person.page.click("#blend-words button:has-text('car')")
    person.page.click("#protect-words button:has-text('grass')")
    person.see("#mask-caption").to_contain_text("may change")
    person.page.click("#edit-run")
    person.wait()
    person.see("#compare").to_be_enabled()
    facts = dict(
        zip(
            person.page.locator("#edit-facts dt").all_inner_texts(),
            person.page.locator("#edit-facts dd").all_inner_texts(),
            strict=True,
        )
    )
    assert facts["Layout kept (cross-attention)"] == "6 layers × 1 step"
    assert facts["Pixels changed outside"].endswith("%")
    person.see("#mask-caption").to_contain_text("could change")
    person.see("#strip .card").to_have_count(2)
    person.see("#strip").to_contain_text("edit: car → dog blue")


def test_the_source_is_drawn_once_for_several_edits(waiting: Any) -> None:
    person = waiting.write("a red car on grass", steps=4)
    person.tab("Edit")
    told = person.follow("#status")
    for target, steps in (("a red dog on grass", 8), ("a red cat on grass", 4)):
        before = len(told())
        person.page.fill("#target textarea", target)
        person.see("#align .swapped").to_contain_text(target.split()[2])
        person.page.click("#edit-run")
        person.wait()
        person.see("#picture").to_have_attribute("aria-label", target)
        totals = {int(text.split()[-1]) for text in told()[before:] if " of " in text}
        assert totals == {steps}


def test_windows_are_set_in_steps_and_stand_in_the_recipe(person: Any) -> None:
    person.write("a red car on grass", steps=4)
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on grass")
    person.see("#align .swapped").to_contain_text("dog")
    person.page.click("#edit-more > summary")
    person.page.fill("input[aria-label='Layout, to step']", "2")
    person.page.fill("input[aria-label='Texture, to step']", "0")
    person.see("#windows output").to_have_text(["1 – 2", "off"])
    person.page.click("#edit-run")
    person.wait()
    person.see("#picture").to_have_attribute("aria-label", "a red dog on grass")
    share = float(person.page.inner_text("#mask-caption").split(" %")[0])
    assert 100 * lit(person) / 112**2 == pytest.approx(share, abs=5), "the mask itself is shown"
    assert share > 0
    person.see("#edit-facts dd >> nth=0").to_have_text("6 layers × 2 steps")
    person.see("#edit-facts dd >> nth=1").to_have_text("none")
    assert '"cross": [ 0.0, 0.5 ]' in " ".join(person.code("Recipe").split())


def test_an_edit_may_change_everything_and_the_history_brings_its_plan_back(person: Any) -> None:
    person.write("a red car on grass", steps=3)
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on grass")
    person.see("#align .swapped").to_contain_text("dog")
    pressed = "#blend-words [aria-pressed=true]"
    person.see(pressed).to_have_text(["the words that differ"])
    person.page.click("#edit-more > summary")
    person.page.click("#blend-words button:has-text('car')")
    person.page.click("#protect-words button:has-text('grass')")
    person.page.click("#edit-run")
    person.wait()
    person.see(pressed).to_have_text(["car"])
    person.page.click("#blend-words button:has-text('anywhere')")
    person.see(pressed).to_have_text(["anywhere"])
    person.see("#protect-words [aria-pressed=true]").to_have_count(0)
    person.page.fill("#target textarea", "a red cat on grass")
    person.see("#align .swapped").to_contain_text("cat")
    person.page.click("#edit-run")
    person.wait()
    person.see("#mask-caption").to_have_text("everything could change")
    person.see("#strip .card").to_have_count(3)
    person.page.click("#strip button:has-text('car → dog')")
    person.see("#target textarea").to_have_value("a red dog on grass")
    person.see(pressed).to_have_text(["car"])
    person.see("#protect-words [aria-pressed=true]").to_have_text(["grass"])


def test_an_edit_into_the_same_words_is_not_offered(person: Any) -> None:
    person.write("a red car on grass")
    person.tab("Edit")
    person.page.fill("#target textarea", "a red car on grass")
    person.see("#align-note").to_contain_text("The target is the prompt itself")
    person.see("#edit-run").to_be_disabled()
    person.page.fill("#target textarea", " ")
    person.see("#align-note").to_have_text("Write what the picture becomes.")
    person.see("#edit-run").to_be_disabled()
