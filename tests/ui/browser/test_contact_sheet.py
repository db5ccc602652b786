from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from crossattn.pipelines.batch import make_plan
from crossattn.pipelines.batch.report import write_reports

PLAN = make_plan(
    [
        {
            "sweep": {"prompt": ["a red car", "a red dog"]},
            "weights": {"red": [1, 2]},
            "seeds": "0..2",
        },
        {"prompt": "a cat", "id": "cat", "seed": 9},
        {"prompt": "a hen", "id": "hen", "seed": 9},
    ]
)
ROWS, COLUMNS = ("a red car", "a red dog", "none"), ("0", "1", "2", "9")


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of a sweep, one picture that failed, and one that is not made yet."""
    folder = tmp_path_factory.mktemp("batch")
    records: dict[str, Any] = {"cat": {"id": "cat", "status": "failed", "error": "no brush"}}
    for number, item in enumerate(PLAN.items[:-2]):
        name = f"{item.id}.png"
        Image.new("RGB", (64, 64), (20 * number, 90, 140)).save(folder / name)
        records[item.id] = {
            "id": item.id,
            "status": "done",
            "files": {"picture.png": name},
            "seconds": 100.0 - number,
            "words": [["red", 1, 0.25]],
        }
    write_reports(folder, PLAN, records)
    return folder / "index.html"


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, browser: Browser, sheet: Path) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": request.param, "height": 900}, offline=True, color_scheme="dark"
    )
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text))
    page.goto(sheet.as_uri())
    yield page
    assert faults == []
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    context.close()


def names(tiles: Locator) -> list[str]:
    """What the pictures show, in the order of the sheet."""
    return tiles.locator("img").evaluate_all("images => images.map(one => one.alt)")


def test_rows_and_columns_are_the_axes_of_the_sweep(page: Page) -> None:
    expect(page.locator("tbody tr")).to_have_count(len(ROWS))
    assert tuple(page.locator("tbody th").all_inner_texts()) == ROWS
    heads = page.locator("thead th[scope=col]").all_inner_texts()
    assert tuple(head.split()[-1] for head in heads) == COLUMNS
    dogs = page.locator("tbody tr").nth(1).locator("td").nth(2).locator(".tile")
    assert names(dogs) == ["a red dog", "a (red:2) dog"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("#count")).to_have_text("12 pictures · 1 failed · 1 not made yet")
    expect(page.get_by_text("no brush")).to_be_visible()


def test_each_axis_can_be_chosen_by_once(page: Page) -> None:
    chosen = page.locator("#filters label").evaluate_all("all => all.map(x => x.firstChild.data)")
    assert chosen == ["status", "prompt", "weight of red", "seed"]
    page.locator("#filters").get_by_label("weight of red").select_option("2")
    page.locator("#filters").get_by_label("seed").select_option("1")
    expect(page.locator("#count")).to_contain_text("2 of 14 shown")
    assert names(page.locator(".tile")) == ["a (red:2) car", "a (red:2) dog"]


def test_pictures_are_sorted_and_found(page: Page) -> None:
    page.get_by_label("Rows").select_option("")
    page.get_by_label("Columns").select_option("")
    page.get_by_label("Sort by").select_option("seconds")
    assert names(page.locator(".tile"))[:3] == ["a (red:2) dog"] * 3
    assert page.locator(".tile").last.inner_text().startswith("not made yet")
    page.get_by_label("Search").fill("brush")
    expect(page.locator(".tile")).to_have_count(1)
    page.get_by_label("Search").fill("no such thing")
    expect(page.get_by_text("No picture fits")).to_be_visible()


def test_a_picture_opens_with_its_facts_and_the_keys_lead_on(page: Page) -> None:
    page.locator(".tile").first.click()
    box = page.locator("#closer")
    expect(box.locator("img")).to_be_in_viewport()
    expect(box.locator(".words")).to_contain_text("25.0 %")
    expect(box.locator("dl")).to_contain_text("weight of red")
    page.keyboard.press("ArrowRight")
    expect(box.locator("dl")).to_contain_text(PLAN.items[1].id)
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_sheet(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    for opened in (False, True):
        if opened:
            page.locator(".tile").first.click()
        found = Axe().run(page).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
