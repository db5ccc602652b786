import time
from typing import Any

import pytest


def opacity(pixels: list[list[int]]) -> list[int]:
    return [pixel[3] for pixel in pixels]


def strongest(pixels: list[list[int]]) -> list[int]:
    return max(pixels, key=lambda pixel: pixel[3])[:3]


def test_pointing_at_a_word_shows_its_map_over_the_picture(drawn: Any) -> None:
    assert drawn.over() == "none"
    drawn.chip("balloon").hover()
    assert drawn.over() == "heat"
    balloon = drawn.overlay()
    assert max(opacity(balloon)) > 120
    assert "balloon" in drawn.page.inner_text("#caption")
    drawn.chip("grass").hover()
    assert drawn.overlay() != balloon
    drawn.page.mouse.move(2, 2)
    assert drawn.over() == "none"


def test_a_map_comes_up_within_50_ms_and_without_asking_the_server(drawn: Any) -> None:
    drawn.chip("car").hover()
    asked = len(drawn.asked)
    took = drawn.page.evaluate(
        """() => {
          const chips = [...document.querySelectorAll(".chip")];
          const times = [];
          for (let round = 0; round < 3; round++) for (const chip of chips) {
            const started = performance.now();
            chip.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
            times.push(performance.now() - started);
          }
          return Math.min(...times);
        }"""
    )
    drawn.page.mouse.move(2, 2)
    assert took < 50
    assert len(drawn.asked) == asked


def test_pinned_words_blend_in_their_own_colours_with_a_legend(drawn: Any) -> None:
    drawn.chip("car").click()
    drawn.chip("balloon").click()
    drawn.page.mouse.move(2, 2)
    assert drawn.over() == "pins"
    legend = drawn.page.inner_text(".legend")
    assert "car" in legend
    assert "balloon" in legend
    colours = drawn.page.eval_on_selector_all(
        ".legend .swatch", "all => all.map(one => getComputedStyle(one).backgroundColor)"
    )
    assert colours == ["rgb(240, 140, 46)", "rgb(74, 163, 234)"]
    both = drawn.overlay()
    drawn.chip("car").click()
    drawn.page.mouse.move(2, 2)
    assert "car" not in drawn.page.inner_text(".legend")
    balloon = strongest(drawn.overlay())
    drawn.chip("balloon").click()
    drawn.chip("car").click()
    drawn.page.mouse.move(2, 2)
    car = strongest(drawn.overlay())
    assert balloon == pytest.approx([74, 163, 234], abs=6)
    assert car == pytest.approx([240, 140, 46], abs=6)
    mixed = strongest(both)
    assert min(balloon[0], car[0]) < mixed[0] < max(balloon[0], car[0])


def test_spotlight_contours_and_strength_change_how_attention_is_drawn(drawn: Any) -> None:
    seen = []
    for mode in ("Heat", "Spotlight", "Contours"):
        drawn.page.click(f"#modes button:has-text('{mode}')")
        drawn.chip("balloon").hover()
        seen.append(drawn.overlay())
    drawn.page.click("#modes button:has-text('Heat')")
    assert seen[0] != seen[1] != seen[2]
    drawn.page.fill("#strength", "30")
    drawn.chip("balloon").hover()
    assert max(opacity(drawn.overlay())) < 0.5 * max(opacity(seen[0]))
    drawn.page.fill("#strength", "80")


def test_words_can_be_used_by_keys_alone(person: Any) -> None:
    person.write("a red car on grass").generate()
    keys = person.page.keyboard
    person.chip("a").locator(".w").focus()
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    focused = "document.activeElement.closest('.chip')?.querySelector('.w').textContent"
    assert person.page.evaluate(focused) == "car"
    assert person.over() == "heat"
    keys.press("Enter")
    assert "car" in person.page.inner_text("#say")
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    keys.press("Shift+ArrowUp")
    assert person.weight("car") == "1.21"
    keys.press("0")
    assert person.weight("car") == "1.0"
    keys.press("Escape")
    assert person.page.locator(".chip.pin").count() == 0


def test_every_chip_tells_its_share_and_the_shares_make_a_whole(drawn: Any) -> None:
    labels = drawn.page.eval_on_selector_all(
        ".chip .w", "all => all.map(one => one.getAttribute('aria-label'))"
    )
    assert len(labels) == len(drawn.prompt.split())
    shares = [float(label.split(", ")[-1].split(" %")[0]) for label in labels]
    assert abs(sum(shares) - 100) < 1


def test_tokens_start_end_and_padding_are_shown_on_request(drawn: Any) -> None:
    drawn.page.click(".switch")
    names = drawn.page.eval_on_selector_all(".chip .w", "all => all.map(one => one.textContent)")
    drawn.page.click(".switch")
    assert names[0] == "start"
    assert names[-2:] == ["end", "padding"]
    assert len(names) > len(drawn.prompt.split()) + 3, "balloon takes several tokens"
    assert len(drawn.page.query_selector_all(".chip")) == len(drawn.prompt.split())


def test_pointing_at_a_place_ranks_its_words(drawn: Any) -> None:
    box = drawn.page.locator("#stage").bounding_box()
    assert box
    drawn.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    drawn.page.wait_for_selector("#pop:visible")
    shares = [
        int(text.split(" %")[0])
        for text in drawn.page.eval_on_selector_all(
            "#pop .n", "all => all.map(one => one.textContent)"
        )
    ]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)
    drawn.page.mouse.down()
    drawn.page.mouse.up()
    drawn.page.mouse.move(2, 2)
    first = drawn.page.locator("#pop li button").first
    word = first.locator("span").first.inner_text()
    first.click()
    drawn.page.mouse.move(2, 2)
    assert word in drawn.page.inner_text("#say")
    assert drawn.page.locator(".chip.pin").count() == 1
    drawn.page.click("#pop [aria-label='Let the place go']")
    assert not drawn.page.is_visible("#pop")


def test_a_place_can_be_moved_and_read_by_keys(drawn: Any) -> None:
    drawn.page.focus("#stage")
    drawn.page.keyboard.press("ArrowRight")
    drawn.page.keyboard.press("ArrowRight")
    assert drawn.page.is_visible("#pop")
    assert "row" in drawn.page.inner_text("#say")
    drawn.page.keyboard.press("Escape")
    assert not drawn.page.is_visible("#pop")


def test_nothing_jumps_when_words_are_pointed_at(drawn: Any) -> None:
    def places() -> object:
        return drawn.page.evaluate(
            "['#stage', '#chips', '#part-weights', '#history'].map(one =>"
            " { const box = document.querySelector(one).getBoundingClientRect();"
            " return [box.x, box.y, box.width, box.height]; })"
        )

    before = places()
    for word in ("car", "balloon", "grass"):
        drawn.chip(word).hover()
        time.sleep(0.05)
        assert places() == before
