from typing import Any


def test_steps_layers_resolutions_and_heads_each_show_another_map(drawn: Any) -> None:
    drawn.tab("Time")
    page = drawn.page
    drawn.see("#film button").to_have_count(4)
    drawn.chip("balloon").hover()
    drawn.see("#caption").to_contain_text("balloon")
    seen = [drawn.overlay()]
    page.fill("#step", "1")
    drawn.see("#step-shown").to_have_text("1 of 4")
    drawn.see("#caption").to_contain_text("step 1 of 4")
    seen.append(drawn.overlay(*seen))
    page.fill("#step", "0")
    page.select_option("#layer", index=2)
    seen.append(drawn.overlay(*seen))
    page.select_option("#layer", index=0)
    drawn.see("#head-hint").to_contain_text("mean of all")
    page.locator("#heads button").first.click()
    drawn.see("#head-hint").to_have_text("head 1 alone")
    drawn.chip("balloon").hover()
    drawn.see("#caption").to_contain_text("head 1")
    seen.append(drawn.overlay(*seen))
    page.locator("#heads button").first.click()
    drawn.see("#head-hint").to_contain_text("mean of all")
    page.select_option("#resolution", index=1)
    drawn.chip("balloon").hover()
    assert max(max(pixel) for pixel in drawn.overlay(*seen)) > 120
    page.select_option("#resolution", index=0)
    drawn.tab("Weights")


def test_the_word_that_is_followed_is_seen_without_pointing(drawn: Any) -> None:
    drawn.chip("car").hover()
    drawn.tab("Time")
    drawn.sees_over("heat")
    whole = drawn.overlay()
    drawn.page.fill("#step", "1")
    drawn.see("#caption").to_contain_text("car")
    drawn.see("#caption").to_contain_text("step 1 of 4")
    first = drawn.overlay(whole)
    drawn.page.fill("#step", "4")
    drawn.overlay(whole, first)
    drawn.page.fill("#step", "0")
    drawn.tab("Weights")
    drawn.sees_over("none")


def test_comma_and_full_stop_go_through_the_steps(drawn: Any) -> None:
    drawn.tab("Time")
    drawn.page.locator("#play").focus()
    drawn.page.keyboard.press(".")
    drawn.page.keyboard.press(".")
    drawn.see("#step-shown").to_have_text("2 of 4")
    drawn.page.keyboard.press(",")
    drawn.page.keyboard.press(",")
    drawn.see("#step-shown").to_have_text("all steps")
    drawn.tab("Weights")


def test_the_steps_play_by_themselves(drawn: Any) -> None:
    drawn.tab("Time")
    shown = drawn.follow("#step-shown")
    drawn.page.click("#play")
    drawn.see("#step-shown").to_have_text("4 of 4")
    drawn.see("#play").to_have_attribute("aria-label", "Play the steps")
    assert [text for text in dict.fromkeys(shown()) if text != "all steps"] == [
        f"{step} of 4" for step in (1, 2, 3, 4)
    ]
    drawn.page.fill("#step", "0")
    drawn.see("#step-shown").to_have_text("all steps")
    drawn.tab("Weights")


def test_the_curve_of_a_word_follows_the_pointer(drawn: Any) -> None:
    drawn.tab("Time")
    for word in ("car", "grass"):
        drawn.chip(word).hover()
        drawn.see("#plot").to_contain_text(word)
        drawn.see("#depth-word").to_contain_text(word)
    drawn.tab("Weights")


def test_the_picture_at_a_step_is_seen_under_its_attention(drawn: Any) -> None:
    drawn.tab("Time")
    drawn.see("#preview").to_be_hidden()
    seen = []
    for step in (1, 4):
        drawn.page.fill("#step", str(step))
        drawn.see("#caption").to_contain_text(f"step {step} of 4")
        drawn.see("#preview").to_be_visible()
        seen.append(drawn.page.get_attribute("#preview", "src"))
    assert seen[0] != seen[1]
    drawn.sees_over("heat")
    drawn.page.click("#caption button:has-text('All steps')")
    drawn.see("#preview").to_be_hidden()
    drawn.tab("Weights")
