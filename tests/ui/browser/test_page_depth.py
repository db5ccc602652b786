from typing import Any


def test_steps_layers_resolutions_and_heads_each_show_another_map(drawn: Any) -> None:
    drawn.tab("Time and depth")
    page = drawn.page
    page.wait_for_function("document.querySelectorAll('#film button').length === 4")
    page.wait_for_function("document.querySelectorAll('#heads button').length > 1")
    drawn.chip("balloon").hover()
    seen = [drawn.overlay()]
    page.fill("#step", "1")
    page.wait_for_function("document.querySelector('#step-shown').textContent === '1 of 4'")
    drawn.chip("balloon").hover()
    assert "step 1 of 4" in page.inner_text("#caption")
    seen.append(drawn.overlay())
    page.fill("#step", "0")
    page.select_option("#layer", index=2)
    page.wait_for_timeout(700)
    drawn.chip("balloon").hover()
    seen.append(drawn.overlay())
    page.select_option("#layer", index=0)
    page.locator("#heads button").first.click()
    page.wait_for_timeout(700)
    drawn.chip("balloon").hover()
    assert "head 1" in page.inner_text("#caption")
    seen.append(drawn.overlay())
    page.locator("#heads button").first.click()
    page.select_option("#resolution", index=1)
    page.wait_for_timeout(300)
    page.select_option("#resolution", index=0)
    assert len({str(one) for one in seen}) == 4
    drawn.tab("Weights")


def test_comma_and_full_stop_go_through_the_steps(drawn: Any) -> None:
    drawn.tab("Time and depth")
    drawn.page.locator("#play").focus()
    drawn.page.keyboard.press(".")
    drawn.page.keyboard.press(".")
    assert drawn.page.inner_text("#step-shown") == "2 of 4"
    drawn.page.keyboard.press(",")
    drawn.page.keyboard.press(",")
    assert drawn.page.inner_text("#step-shown") == "all steps"
    drawn.tab("Weights")


def test_the_curve_of_a_word_follows_the_pointer(drawn: Any) -> None:
    drawn.tab("Time and depth")
    for word in ("car", "grass"):
        drawn.chip(word).hover()
        drawn.page.wait_for_function(
            "word => document.querySelector('#plot').textContent.includes(word)", arg=word
        )
        assert word in drawn.page.inner_text("#depth-word")
    drawn.tab("Weights")
