import runpy
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from PIL import Image
from playwright.sync_api import Browser

from crossattn.pipelines.recipe import Recipe

SAMPLE = Path(__file__).parents[3] / "samples" / "drive_the_page.py"
PATIENCE = 150_000
FIELDS = ("a red car", "", "emoji-sd", "7", 3, 4.0, "64 × 64", "", "attention")


@pytest.fixture(scope="module")
def program(address: str) -> Client:
    """A program that drives the page."""
    return Client(address, verbose=False)


def test_two_people_keep_their_pictures_apart(browser: Browser, address: str, person: Any) -> None:
    other_context = browser.new_context()
    other_context.set_default_timeout(PATIENCE)
    other = type(person)(other_context.new_page()).open(address)
    person.write("a red car", steps=2).page.click("#go")
    other.write("a blue cat", steps=2).page.click("#go")
    person.wait()
    other.wait()
    for one, prompt in ((person, "a red car"), (other, "a blue cat")):
        one.see("#picture").to_have_attribute("aria-label", prompt)
        one.see("#strip .card").to_have_count(1)
    other_context.close()


def test_the_ninth_caller_is_told_that_the_queue_is_full(slow_address: str, waiting: Any) -> None:
    waiting.write(steps=3)
    client = Client(slow_address, verbose=False)
    fields = (*FIELDS[:4], 100, *FIELDS[5:])
    jobs = [client.submit(*fields, True, api_name="/generate") for _ in range(8)]
    try:
        while not all(job.outputs() for job in jobs):
            assert not any(job.done() for job in jobs)
            time.sleep(0.1)
        waiting.page.click("#go")
        waiting.is_told("Too many people are drawing: 8 pictures are under way or wait already.")
        waiting.rest()
    finally:
        for job in jobs:
            job.cancel()


def test_closing_the_page_stops_its_run(
    browser: Browser, slow_address: str, waiting: Any, steps_made: Callable[[], int]
) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    leaver = type(waiting)(context.new_page()).open(slow_address).write(steps=100)
    before = steps_made()
    leaver.page.click("#go")
    leaver.until_step(2)
    context.close()
    waiting.write("a red car", steps=2).generate()
    waiting.see(".chip").to_have_count(3)
    assert steps_made() < before + 50, "the next run would have had to wait for 100 steps"


def test_every_event_can_be_driven_by_a_program(program: Client) -> None:
    names = program.view_api(return_format="dict")["named_endpoints"]
    asked = {"/generate", "/draw_again", "/edit", "/open", "/open_picture"}
    assert asked <= set(names)
    returned = [
        (one["parameter_name"] if "parameter_name" in one else one["label"], one["type"])
        for one in names["/generate"]["returns"]
    ]
    assert [name for name, _ in returned] == ["progress", "picture", "Seed"]
    assert {"type": "object", "additionalProperties": True} in [kind for _, kind in returned]
    _, picture, *_ = program.predict(*FIELDS, True, api_name="/generate")
    assert [word["text"] for word in picture["words"]] == ["a", "red", "car"]
    edit = {"cross": [0, 0.8], "share": [0, 0.4], "blend": None, "protect": []}
    _, edited, *_ = program.predict(*FIELDS, "a red cat", edit, api_name="/edit")
    assert edited["edit"]["touched"]["Replace"] == [6, 2]


def test_the_sample_that_drives_the_page_runs(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--address", address, "--steps", "3", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["drive_the_page", *options])
    runpy.run_path(str(SAMPLE), run_name="__main__")
    with Image.open(tmp_path / "edited.png") as picture:
        assert picture.size == (128, 128)
    recipe = Recipe.from_json((tmp_path / "edited.json").read_bytes())
    assert recipe.edit is not None and recipe.edit.prompt == "a red boat on green grass"


def test_a_program_holds_words_to_regions(program: Client) -> None:
    fields = ("a car and a car", *FIELDS[1:])
    regions = [{"word": word, "mask": ["#.", ".."]} for word in ("car#2", "boat")]
    held = {"regions": regions, "hold": 1.0, "window": [0, 1]}
    _, picture, *_ = program.predict(*fields, True, held, api_name="/generate")
    assert [one["word"] for one in picture["regions"]] == ["car#2"]
    _, edited, *_ = program.predict(
        *fields, "a car and a boat", {"blend": None}, held, api_name="/edit"
    )
    assert [one["word"] for one in edited["regions"]] == ["car#2", "boat"]


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (0, "car " * 600, "The prompt has 2400 characters; shorten it to 2000."),
        (2, "/etc", "/etc is not in the list of choices"),
        (4, 5000, "greater than maximum value"),
        (6, "4096 × 4096", "width must be"),
        (6, "2048 × 2048", "choose sides of at most 1024 here"),
        (6, "wide", "The width must be a whole number, but is 'wide'."),
    ],
)
def test_bounds_hold_on_the_server_too(program: Client, place: int, value: Any, told: str) -> None:
    fields = list(FIELDS)
    fields[place] = value
    with pytest.raises(Exception, match=told.replace("(", r"\(").replace("?", r"\?")):
        program.predict(*fields, True, api_name="/generate")


def test_pictures_are_reached_by_their_own_unguessable_address_alone(
    address: str, program: Client
) -> None:
    _, picture, *_ = program.predict(*FIELDS, True, api_name="/generate")
    url = picture["picture"]["url"]
    with urllib.request.urlopen(address + url.replace(" ", "%20")) as answer:
        assert answer.read(8) == b"\x89PNG\r\n\x1a\n"
    folder = url.rsplit("/", 2)[0]
    for other in (folder, folder.rsplit("/", 1)[0], "gradio_api/file=/etc/passwd"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(address + other)
    assert len(picture["id"]) >= 16
