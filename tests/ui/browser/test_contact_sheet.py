import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from crossattn.pipelines.batch import make_plan
from crossattn.pipelines.batch.plan import full_fields
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


EDITS = make_plan(
    [
        {"prompt": "a red car", "id": "red"},
        {"prompt": "a red car", "id": "blue", "edit": "a blue car"},
        {"prompt": "a red car", "id": "boat", "edit": {"prompt": "a red boat", "blend": None}},
        {"prompt": "a cat", "id": "dog", "edit": "a dog"},
    ]
)
RED, BLUE, GREEN, GREY = (200, 40, 40), (40, 80, 200), (40, 160, 60), (90, 90, 90)


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of a picture, two edits of it, and an edit of a picture that the batch lacks."""
    folder = tmp_path_factory.mktemp("edits")
    records: dict[str, Any] = {}
    for item, colour in zip(EDITS, (RED, BLUE, GREEN, GREY), strict=True):
        files = {"picture.png": f"{item.id}.png"}
        Image.new("RGB", (96, 64), colour).save(folder / files["picture.png"])
        if item.id in ("blue", "dog"):
            files["mask.png"] = f"{item.id}-mask.png"
            left_half = Image.new("1", (48, 64), 1).crop((0, 0, 96, 64))
            left_half.save(folder / files["mask.png"])
        records[item.id] = {
            "status": "done",
            "files": files,
            "recipe": {**full_fields(item.recipe), "width": 96, "height": 64},
        }
    write_reports(folder, EDITS, records)
    return folder / "index.html"


@pytest.fixture(params=[1280, 390])
def width(request: pytest.FixtureRequest) -> int:
    """How wide the window is, in pixels."""
    return int(request.param)


@pytest.fixture
def page(browser: Browser, sheet: Path, width: int) -> Iterator[Page]:
    with visit(browser, sheet, width) as page:
        yield page


@pytest.fixture
def judge(browser: Browser, edits: Path, width: int) -> Iterator[Page]:
    """The sheet of the edits, before somebody who judges them."""
    with visit(browser, edits, width) as page:
        yield page


@contextmanager
def visit(browser: Browser, sheet: Path, width: int, **device: Any) -> Iterator[Page]:
    """Open a sheet from its file; nothing else may be asked for and nothing may go wrong."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, offline=True, color_scheme="dark", **device
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


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")], indirect=["width"])
def test_everybody_can_use_the_sheet(page: Page, judge: Page, scheme: Any) -> None:
    judge.get_by_label("Masks").check()
    for each in (page, judge):
        each.emulate_media(color_scheme=scheme)
        for opened in (False, True):
            if opened:
                each.locator(".tile").nth(1).click()
            found = Axe().run(each).response["violations"]
            assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def tile(page: Page, name: str) -> Locator:
    return page.locator(".tile").filter(has=page.get_by_text(name, exact=True))


def colours(picture: Locator) -> tuple[Any, Any]:
    """What is seen of a picture in the middle of its left and of its right half."""
    drawn = Image.open(BytesIO(picture.screenshot(animations="disabled"))).convert("RGB")
    left, right = (drawn.getpixel((x * drawn.width // 4, drawn.height // 2)) for x in (1, 3))
    return left, right


def boxes(page: Page) -> list[Any]:
    """Where all tiles and their names are on the page."""
    places = "all => all.map(one => JSON.stringify(one.getBoundingClientRect()))"
    return list(page.locator(".tile, .tile .name, .tile .values").evaluate_all(places))


def test_pointing_at_an_edit_shows_its_source_and_moves_nothing(judge: Page) -> None:
    expect(judge.get_by_text("to see its source")).to_be_visible()
    edit = tile(judge, "a blue car").locator(".face")
    assert colours(edit) == (BLUE, BLUE)
    before = boxes(judge)
    edit.hover()
    assert colours(edit) == (RED, RED)
    assert boxes(judge) == before
    judge.mouse.move(1, 1)
    assert colours(edit) == (BLUE, BLUE)


def test_the_keys_reach_an_edit_and_its_source(judge: Page) -> None:
    tile(judge, "a red car").focus()
    judge.keyboard.press("Tab")
    expect(tile(judge, "a blue car")).to_be_focused()
    assert colours(tile(judge, "a blue car").locator(".face")) == (RED, RED)
    judge.keyboard.press("Tab")
    assert colours(tile(judge, "a blue car").locator(".face")) == (BLUE, BLUE)
    judge.keyboard.press("Tab")
    assert colours(tile(judge, "a dog").locator(".face")) == (GREY, GREY)


def test_a_finger_on_an_edit_shows_its_source_until_it_is_lifted(
    browser: Browser, edits: Path
) -> None:
    with visit(browser, edits, 390, has_touch=True, is_mobile=True) as page:
        edit = tile(page, "a blue car").locator(".face")
        edit.scroll_into_view_if_needed()
        box = edit.bounding_box() or pytest.fail("There is no edit.")
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        finger, now = page.context.new_cdp_session(page), time.time()
        down = {"type": "touchStart", "touchPoints": [point], "timestamp": now}
        finger.send("Input.dispatchTouchEvent", down)
        expect(edit.locator(".before")).to_have_css("opacity", "1")
        up = {"type": "touchEnd", "touchPoints": [], "timestamp": now + 1}
        finger.send("Input.dispatchTouchEvent", up)
        expect(edit.locator(".before")).to_have_css("opacity", "0")
        tile(page, "a red boat").tap()
        expect(page.locator("#what")).to_have_text("a red boat")


def test_masks_dim_what_an_edit_keeps_on_the_sheet_and_enlarged(judge: Page) -> None:
    before = boxes(judge)
    judge.get_by_label("Masks").check()
    left, right = colours(tile(judge, "a blue car").locator(".face"))
    assert left == BLUE and all(dim < full / 2 for dim, full in zip(right, BLUE, strict=True))
    assert colours(tile(judge, "a red boat").locator(".face")) == (GREEN, GREEN)
    assert boxes(judge) == before
    tile(judge, "a blue car").click()
    box = judge.locator("#closer")
    expect(box.get_by_label("Mask")).to_be_checked()
    assert colours(box.locator(".face")) == (left, right)
    box.get_by_label("Mask").uncheck()
    assert colours(box.locator(".face")) == (BLUE, BLUE)
    judge.keyboard.press("Escape")
    expect(judge.get_by_label("Masks")).not_to_be_checked()


def test_the_enlarged_edit_turns_into_its_source_and_stays_so_for_the_next(judge: Page) -> None:
    tile(judge, "a blue car").click()
    box = judge.locator("#closer")
    picture = box.locator(".face")
    place = picture.bounding_box()
    judge.keyboard.press("Tab")
    expect(box.get_by_label("Source")).to_be_focused()
    judge.keyboard.press("Space")
    assert colours(picture) == (RED, RED)
    assert picture.bounding_box() == place
    judge.keyboard.press("ArrowRight")
    expect(box.locator("#what")).to_have_text("a red boat")
    assert colours(picture) == (RED, RED)
    picture.click()
    assert colours(picture) == (GREEN, GREEN)
    judge.keyboard.press("ArrowRight")
    expect(box.locator("#views")).to_contain_text("not in this batch")
    picture.click()
    expect(box.get_by_label("Source")).not_to_be_checked()
    assert colours(picture) == (GREY, GREY)


def test_pictures_without_edits_speak_of_no_sources_and_no_masks(page: Page) -> None:
    expect(page.get_by_text("to see its source")).to_be_hidden()
    expect(page.get_by_text("Masks")).to_be_hidden()
    page.locator(".tile").first.click()
    expect(page.locator("#views")).to_be_hidden()


def test_a_grid_that_would_be_mostly_empty_is_left_for_the_asking(
    browser: Browser, tmp_path: Path
) -> None:
    rows = [
        {"prompt": "a red car", "seeds": "0..2"},
        {"prompt": "a blue dog", "weights": {"dog": [0.5, 1, 1.5, 2]}},
    ]
    write_reports(tmp_path, make_plan(rows), {})
    with visit(browser, tmp_path / "index.html", 1280) as page:
        expect(page.locator(".flow .tile")).to_have_count(7)
        page.get_by_label("Rows").select_option("seed")
        page.get_by_label("Columns").select_option("weight of dog")
        expect(page.locator("td .tile")).to_have_count(7)
