from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from crossattn.errors import InputError, ModelLoadError
from crossattn.ui.browser.serve import models_offered, password, serve


def test_no_request_leaves_the_pages_own_host(person: Any, address: str) -> None:
    person.write("a red car", steps=2).generate()
    for tab, last in (("Edit", "#align td"), ("Regions", "#region-words button")):
        person.tab(tab).page.wait_for_selector(last)
    person.tab("Time").page.wait_for_selector("#heads button")
    hosts = {urlsplit(url).netloc for url in person.asked if url.startswith("http")}
    assert hosts == {urlsplit(address).netloc}


CALM = "!document.getAnimations().some((one) => one instanceof CSSTransition)"


def violations(person: Any, context: str) -> set[tuple[str, str]]:
    """What somebody could not see, hear or reach: (rule, the element)."""
    person.page.wait_for_function(CALM)
    found = Axe().run(person.page, context=context).response["violations"]
    return {(one["id"], node["html"][:200]) for one in found for node in one["nodes"]}


@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_use_every_panel(drawn: Any, dark: bool) -> None:
    faults = set()
    if dark:
        drawn.page.click("#theme")
    drawn.page.fill("#negative textarea", "snow, a ghost")
    drawn.see("#negative-words .negative").to_have_count(3)
    for opened in ("#palette summary", "#why", "#model-own"):
        drawn.page.click(opened)
    drawn.page.focus("#excite")
    drawn.page.keyboard.press("Space")
    for tab in ("Edit", "Regions", "Time", "Save", "Weights"):
        drawn.tab(tab)
        drawn.page.keyboard.press("." if tab == "Time" else ",")  # at a step, and at none
        faults |= violations(drawn, ".part")
    drawn.page.fill("#negative textarea", "")
    drawn.page.focus("#excite")
    drawn.page.keyboard.press("Space")
    for opened in ("#palette summary", "#why", "#model-own"):
        drawn.page.click(opened)
    if dark:
        drawn.page.click("#theme")
    assert faults == set()


def test_everybody_can_use_what_comes_and_goes(person: Any, tmp_path: Path) -> None:
    page = person.page
    person.write("a red car", steps=1).generate()
    page.click("#sweep-seeds")
    person.see("#strip .card").to_have_count(4)
    person.rest()
    page.fill("#seed input", "x")
    page.click("#go")
    person.is_told("The seed must be a whole number")
    page.focus("#strip [aria-label^=Compare] >> nth=0")
    page.keyboard.press("Enter")
    person.see("#tag-left").to_be_visible()
    for _ in range(2):  # light, and dark
        page.click("#theme")
        assert violations(person, "body") == set()
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(tmp_path / "own.png")
    page.fill("#seed input", "7")
    page.fill("#prompt textarea", "a white ball")
    page.set_input_files("#own-file", tmp_path / "own.png")
    person.see("#own-note").to_contain_text("The prompt is its caption")
    person.wait()
    page.set_viewport_size({"width": 390, "height": 844})
    person.tab("Edit").page.fill("#target textarea", "a red ball")
    person.see("#align .swapped").to_have_count(1)
    for tab in ("Edit", "Prompt"):
        person.tab(tab)
        assert violations(person, ".part") == set()


def test_listening_to_others_needs_a_password() -> None:
    with pytest.raises(InputError, match="a password is needed: add --auth"):
        serve(host="0.0.0.0", wait=False)


@pytest.mark.parametrize("text", ["anna", "anna:", ":secret"])
def test_a_password_has_a_name_before_it(text: str) -> None:
    with pytest.raises(InputError, match="name:password"):
        password(text)
    assert password("anna:se:cret") == ("anna", "se:cret")


def test_a_model_that_is_not_there_is_told_before_the_page_opens() -> None:
    with pytest.raises(ModelLoadError, match="There is no model"):
        serve("no such model", wait=False)


def test_the_model_asked_for_is_offered_first(tmp_path: Any) -> None:
    offered = list(models_offered(str(tmp_path)))
    assert offered[0] == str(tmp_path)
    assert offered[1:3] == ["emoji-sd", "emoji-sd3"]


def test_a_port_that_is_taken_is_told_in_a_sentence(address: str, tmp_path: Any) -> None:
    port = urlsplit(address).port
    assert port
    with pytest.raises(InputError, match="is taken or not to be had; choose another"):
        serve(str(tmp_path), port=port, wait=False)
