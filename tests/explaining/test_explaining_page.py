"""The page in a real browser: what it shows, what it does, and that it asks for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from explained_samples import HOSTILE, explained, split
from playwright.sync_api import Browser, Page

from llmzip.explaining.comparing import compared
from llmzip.explaining.explanation import Comparison, Explanation, Unscored
from llmzip.explaining.page import page

WIDE, NARROW = 1280, 400
LEAST_FRAMES_A_SECOND = 30
TEXT = (Path(__file__).parents[2] / "LICENSE").read_text("utf-8")


@pytest.fixture(scope="module")
def sample() -> Explanation:
    return explained(TEXT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def opened(
    browser: Browser,
    folder: Path,
    explanation: Explanation,
    comparison: Comparison | None = None,
    *,
    width: int = WIDE,
    **how: Any,
) -> Iterator[Page]:
    """The page in a window of its own; nothing is said on the console, and nothing asked for."""
    path = folder / "page.html"
    path.write_text(page(explanation, comparison), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, **how)
    said: list[str] = []
    asked: list[str] = []
    shown = context.new_page()
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(path.as_uri())
    shown.wait_for_selector("body.ready")
    try:
        yield shown
        assert said == []
        assert asked == [path.as_uri()]
    finally:
        context.close()


def token(shown: Page) -> str:
    return shown.inner_text("#token .spelt b")


def seen_text(shown: Page) -> str:
    """The text of the rows that are there, as it would be copied."""
    rows = shown.locator("#rows .row").all()
    rows.sort(key=lambda row: row.evaluate("row => row.getBoundingClientRect().top"))
    return "".join(row.text_content() or "" for row in rows)


def chosen(shown: Page) -> str:
    """The text of the cell that is chosen, which may stand in two rows."""
    return "".join(shown.locator("#rows .chosen").all_text_contents())


def test_pointing_shows_a_token_and_a_click_holds_it(
    browser: Browser, folder: Path, sample: Explanation
) -> None:
    with opened(browser, folder, sample) as shown:
        cell = shown.locator("#rows span[data-cell]", has_text="Apache").first
        cell.hover()
        number = int(cell.get_attribute("data-cell") or "")
        assert token(shown).replace("·", " ") == sample.spelt[number]
        panel = shown.inner_text("#token")
        assert f"{sample.tokens.bits[number]:.2f} bits" in panel
        assert f"{sample.tokens.model_bits[number]:.2f}" in panel
        assert shown.locator("#token .likeliest li").count() == 5
        assert "1: model" in panel
        cell.click()
        assert chosen(shown).strip() == "Apache"
        shown.locator("#rows span[data-cell]", has_text="License").first.hover()
        assert "License" in token(shown)
        shown.mouse.move(5, 5)
        assert "Apache" in token(shown)


def test_keys_go_from_token_to_token(browser: Browser, folder: Path, sample: Explanation) -> None:
    with opened(browser, folder, sample) as shown:
        shown.focus("#viewport")
        shown.keyboard.press("ArrowRight")
        seen = []
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
            shown.keyboard.press(key)
            seen.append(int(shown.locator("#rows .chosen").first.get_attribute("data-cell") or ""))
        assert seen == [1, 2, 1]
        assert "bits, rank" in shown.inner_text("#spoken")
        shown.keyboard.press("Control+End")
        assert int(shown.locator("#rows .chosen").first.get_attribute("data-cell") or "") == (
            sample.n_tokens - 1
        )
        shown.keyboard.press("Control+Home")
        for key in ("ArrowDown", "End", "ArrowUp", "Home", "PageDown", "PageUp"):
            shown.keyboard.press(key)
            assert shown.locator("#rows .chosen").count() >= 1
        shown.keyboard.press("n")
        dear = float(shown.inner_text("#token .spelt span").split()[0])
        assert dear > sorted(sample.tokens.bits)[-sample.n_tokens // 40]


def test_search_finds_what_is_not_seen(browser: Browser, folder: Path, sample: Explanation) -> None:
    with opened(browser, folder, sample) as shown:
        shown.keyboard.press("/")
        shown.keyboard.type("WARRANTIES")
        n_found = TEXT.lower().count("warranties")
        assert shown.inner_text("#found") == f"1 of {n_found}"
        assert "arranties" in seen_text(shown).lower()
        assert shown.locator("#rows .now").count() >= 1
        shown.keyboard.press("Enter")
        assert shown.inner_text("#found") == f"2 of {n_found}"
        shown.click("#before")
        shown.click("#before")
        assert shown.inner_text("#found") == f"{n_found} of {n_found}"
        shown.fill("#wanted", "not in there")
        assert shown.inner_text("#found") == "0 found"


def test_the_curve_the_histogram_and_the_lists_lead_into_the_text(
    browser: Browser, folder: Path, sample: Explanation
) -> None:
    with opened(browser, folder, sample) as shown:
        box = shown.locator("#curve").bounding_box()
        assert box is not None
        shown.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 20)
        at = int(shown.get_attribute("#curve", "aria-valuenow") or "")
        assert at == pytest.approx(0.75 * len(TEXT), abs=len(TEXT) / 100)
        assert TEXT[at : at + 100].split()[1] in seen_text(shown)
        shown.focus("#curve")
        shown.keyboard.press("ArrowLeft")
        assert int(shown.get_attribute("#curve", "aria-valuenow") or "") < at
        shown.click("#histogram button >> nth=-2")
        bits = float(shown.inner_text("#token .spelt span").split()[0])
        assert 16 <= bits < 20
        shown.click("#dearest button >> nth=0")
        bits = float(shown.inner_text("#token .spelt span").split()[0])
        assert bits == pytest.approx(sample.tokens.bits.max(), abs=0.006)
        line = shown.inner_text("#passages button >> nth=0 >> .what")
        shown.click("#passages button >> nth=0")
        assert line.split()[-1] in seen_text(shown)


def test_tapping_shows_a_token(browser: Browser, folder: Path, sample: Explanation) -> None:
    with opened(browser, folder, sample, width=NARROW, has_touch=True) as shown:
        shown.locator("#rows span[data-cell]", has_text="Version").first.tap()
        assert "Version" in token(shown)


def test_the_bits_of_all_tokens_are_the_total(
    browser: Browser, folder: Path, sample: Explanation
) -> None:
    with opened(browser, folder, sample) as shown:
        total = float(shown.get_attribute("#total-bits", "data-bits") or "")
        assert total == sample.total_bits
        found = shown.evaluate(
            "() => { const lists = document.getElementById('histogram').querySelectorAll('button');"
            " return [...lists].map(one => one.getAttribute('aria-label')); }"
        )
        n_tokens = sum(int(one.split(": ")[1].split()[0].replace(",", "")) for one in found)
        assert n_tokens == sample.n_tokens
    page_text = (folder / "page.html").read_text("utf-8")
    assert f"{sample.total_bits / 8:,.1f}" in page_text
    assert f"{sample.n_payload_bytes:,}" in page_text


@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (NARROW, "dark")])
def test_it_can_be_read_by_everybody(
    browser: Browser, folder: Path, sample: Explanation, width: int, scheme: str
) -> None:
    with opened(browser, folder, sample, width=width, color_scheme=scheme) as shown:
        shown.click("#dearest button >> nth=1")
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(shown).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


def test_light_and_dark_can_be_chosen(browser: Browser, folder: Path, sample: Explanation) -> None:
    with opened(browser, folder, sample, color_scheme="light") as shown:
        paper = "getComputedStyle(document.body).backgroundColor"
        light = shown.evaluate(paper)
        shown.click("#theme")
        dark = shown.evaluate(paper)
        shown.click("#theme")
        assert [light, dark, shown.evaluate(paper)] == [light, "rgb(21, 23, 27)", light]


def test_hostile_text_is_text(browser: Browser, folder: Path) -> None:
    pieces = [*split(HOSTILE), "\ufffd", ""]
    sample = replace(explained(HOSTILE, pieces=pieces), name="</title><script>alert(1)</script>")
    with opened(browser, folder, sample) as shown:
        assert '</script><img src=x onerror=alert(1)> & "quoted"' in seen_text(shown)
        assert shown.locator("img").count() == 0
        assert not set("\x00\x07\x1b\x7f\x9b\r\u202e\ufeff") & set(seen_text(shown))
        shown.fill("#wanted", "\U0001f600")
        assert shown.inner_text("#found") == "1 of 1"


def test_characters_of_several_tokens_are_one_cell(browser: Browser, folder: Path) -> None:
    sample = explained("你好 ok", pieces=["你", "", "", "好", "", " ok"])
    with opened(browser, folder, sample) as shown:
        shown.locator("#rows span[data-cell]", has_text="你").hover()
        assert shown.locator("#token .spelt").count() == 3
        assert shown.locator("#rows span[data-cell]").count() == 3


def test_what_is_not_scored_stands_in_its_place(browser: Browser, folder: Path) -> None:
    text = "before" + "0" * 30 + "after"
    gap = Unscored(6, 36, None)
    sample = explained(text, pieces=["before", "after"], unscored=(gap,))
    with opened(browser, folder, sample) as shown:
        assert seen_text(shown) == "before⟨30 bytes that are no text⟩after"
        shown.hover("#rows .unscored")
        assert "30 bytes from line 1, byte 7 on" in shown.inner_text("#token")
    nothing = replace(explained("", pieces=[]), unscored=[Unscored(0, 4, "text")], data=b"text")
    with opened(browser, folder, nothing) as shown:
        assert seen_text(shown) == "text"
    with opened(browser, folder, explained("", pieces=[])) as shown:
        assert "\u2013" in shown.inner_text("#bits-per-byte")


def test_two_texts_are_compared(browser: Browser, folder: Path, sample: Explanation) -> None:
    other = explained(TEXT.replace("Apache", "Acme", 1), seed=2, name="other.txt")
    with opened(browser, folder, sample, compared(sample, other)) as shown:
        shown.select_option("#colouring", "difference")
        assert shown.locator("#rows .apart").count() >= 1
        assert shown.locator("#rows [class^=more], #rows [class^=less]").count() > 50
        shown.locator("#rows .apart").first.hover()
        assert "not there" in shown.inner_text("#token")
        shown.locator("#rows span", has_text="Version").first.hover()
        assert f"{other.tokens.bits[other.spelt.index('Version')]:.2f} bits, here" in (
            shown.inner_text("#token")
        )
        assert f"{other.total_bits / 8:,.1f}" in shown.inner_text("main")
        serious = [
            one["id"]
            for one in Axe().run(shown).response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_it_prints_its_text(browser: Browser, folder: Path, sample: Explanation) -> None:
    with opened(browser, folder, sample) as shown:
        shown.emulate_media(media="print")
        shown.evaluate("dispatchEvent(new Event('beforeprint'))")
        text = shown.inner_text("#printed")
        assert "TERMS AND CONDITIONS FOR USE" in text
        assert "END OF TERMS" in text
        shown.evaluate("dispatchEvent(new Event('afterprint'))")
        assert shown.inner_text("#printed") == ""
        assert len(shown.pdf()) > 10_000


def test_a_megabyte_scrolls_smoothly(browser: Browser, folder: Path) -> None:
    text = (TEXT * (1_000_000 // len(TEXT) + 1))[:1_000_000]
    with opened(browser, folder, explained(text)) as shown:
        shown.evaluate("document.getElementById('viewport').scrollIntoView()")
        rates = [frames_a_second(browser, shown) for _ in range(2)]
        assert max(rates) > LEAST_FRAMES_A_SECOND
        shown.focus("#viewport")
        shown.keyboard.press("Control+End")
        assert text.split()[-1] in seen_text(shown)


SCROLL = """() => new Promise((done) => {
  const viewport = document.getElementById("viewport"), begin = performance.now();
  const step = (now) => {
    viewport.scrollTop += 45;
    if (now - begin < 1500) requestAnimationFrame(step); else done();
  };
  step(begin);
})"""


def frames_a_second(browser: Browser, shown: Page) -> float:
    """How many frames were drawn while the text was scrolled, by the browser's own trace."""
    categories = ["devtools.timeline", "disabled-by-default-devtools.timeline.frame"]
    browser.start_tracing(page=shown, categories=categories)
    shown.evaluate(SCROLL)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    drawn = sorted(event["ts"] for event in events if event["name"] == "DrawFrame")
    return float((len(drawn) - 1) / ((drawn[-1] - drawn[0]) / 1e6))


def test_the_same_explanation_makes_the_same_page(sample: Explanation) -> None:
    assert page(sample) == page(explained(TEXT))
