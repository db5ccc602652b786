"""The page's events without a browser: long sessions, and what a session may still ask for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser import events as module
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Models
from crossattn.ui.browser.events import Events
from crossattn.ui.browser.shelf import Shelf

pytestmark = pytest.mark.slow

NOTHING = {"words": None}
NOBODY = {"regions": [], "hold": 1.0, "window": [0, 1]}


@pytest.fixture
def events(sd_folder: Path) -> Iterator[Events]:
    shelf = Shelf()
    yield Events(Bounds({str(sd_folder): "tiny"}), shelf, Models())
    shelf.close()


class Session:
    """A person's session: what the browser has of it is the ids and the answers."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.made: list[str] = []

    def draw(self, prompt: str = "a red car", seed: int = 7) -> dict[str, Any]:
        """Generate, as the button does."""
        [model] = self.events.bounds.offered
        fields = (prompt, "", model, str(seed), 1, 1.0, "64 × 64", "", "compel")
        *_, last = self.events.generate(*fields, True, NOBODY, NOTHING, self.made)
        return self.took(last)

    def open(self, told: dict[str, Any], key: str = "") -> dict[str, Any]:
        """Click a picture of the history."""
        *_, last = self.events.open({"recipe": told["code"]["Recipe"], "id": key}, self.made)
        return self.took(last[-4:])

    def took(self, last: Any) -> dict[str, Any]:
        """What the stage shows."""
        _, told, _, self.made = last
        return dict(told)


def test_forty_one_pictures_and_weights_on_the_first(events: Events) -> None:
    session = Session(events)
    first = session.draw()
    for seed in range(8, 48):
        session.draw(seed=seed)
    again = session.draw("a red (car:1.5)")
    assert again["before"]["name"] == "Before"
    assert len(session.made) == module.HISTORY
    assert first["id"] not in session.made
    back = session.open(first, first["id"])
    assert back["prompt"] == "a red car", "what fell off is drawn again from its recipe"
    assert session.draw(seed=99)["id"] in session.made


def test_a_weighted_picture_outlives_the_one_it_was_compared_with(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HISTORY", 3)
    session = Session(events)
    session.draw()
    weighted = session.draw("a red (car:1.5)")
    session.draw(seed=8)
    session.draw(seed=9)
    back = session.open(weighted, weighted["id"])
    assert back["id"] == weighted["id"]
    assert back["before"] is None
    assert back["report"][0]["before"] is None


def test_what_was_set_since_stands_from_the_first_whatever_comes_of_the_picture(
    events: Events,
) -> None:
    session = Session(events)
    told = session.draw()
    [model] = events.bounds.offered
    since = ["a blue car", "a dog", model, "9", 3, 2.0, "64 × 64", "", "a1111", "a cat"]
    asked = {"recipe": told["code"]["Recipe"], "id": told["id"], "fields": since}
    kept = list(events.open(asked, session.made))
    again = list(events.open({**asked, "id": ""}, session.made))
    for first, *others in (kept, again):
        assert list(first[:10]) == since
        assert all(value == gr.skip() for later in others for value in (*later[:10], later[-2]))
    assert kept[1][-3]["id"] == told["id"]
    assert again[-2][-3]["prompt"] == "a red car"
    assert list(events.open({"fields": since}, session.made)) == kept[:1]
    refused = events.open({**asked, "recipe": "{}"}, session.made)
    assert list(next(refused)[:10]) == since
    with pytest.raises(gr.Error, match="prompt"):
        next(refused)


def test_one_persons_pictures_do_not_push_out_anothers(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HISTORY", 2)
    quiet, busy = Session(events), Session(events)
    kept = quiet.draw()
    for seed in range(5):
        busy.draw(seed=seed)
    assert quiet.open(kept, kept["id"])["id"] == kept["id"]


def test_a_picture_that_a_refresh_took_over_stays_when_the_old_session_ends(events: Events) -> None:
    before, after = Session(events), Session(events)
    made = before.draw()
    after.open(made, made["id"])
    events.leave(before.made)
    assert events.shelf.kept([made["id"]])
    events.leave(after.made)
    assert not events.shelf.kept([made["id"]])


def test_the_first_edit_of_a_picture_that_was_just_drawn_costs_one_run(events: Events) -> None:
    session = Session(events)
    session.draw()
    [model] = events.bounds.offered
    fields = ("a red car", "", model, "7", 1, 1.0, "64 × 64", "", "compel")
    plan = {"cross": [0, 0.4], "share": [0, 0], "blend": None, "protect": []}
    told = list(events.edit(*fields, "a red dog", plan, NOBODY, NOTHING, session.made))
    totals = {status["busy"]["total"] for status, *_ in told if status["busy"]}
    assert totals == {0, 1}
    *_, edited = told
    assert edited[1]["before"]["name"] == "Source"
    assert Recipe.from_json(edited[1]["code"]["Recipe"]).edit is not None
    with pytest.raises(gr.Error, match="target prompt is blank"):
        list(events.edit(*fields, " ", plan, NOBODY, NOTHING, session.made))


def test_a_transformer_is_drawn_and_looked_into_as_a_unet_is(events: Events) -> None:
    events.bounds = Bounds({"emoji-sd3": "emoji-sd3"})
    told = Session(events).draw("a red balloon")
    assert [place for place, _ in told["layers"]] == [f"blocks.{index}" for index in range(6)]
    assert [word["text"] for word in told["words"]] == ["a", "red", "balloon"]
    assert 0 < told["weak"] == told["covered"] < 0.1, "levels are of what the text gets"
    assert "on the picture itself" in told["rest"]
