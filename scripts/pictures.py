"""Make the pictures of README and the tutorial: .venv/bin/python scripts/pictures.py

The text is the tutorial's, the model the default one. Writes docs/explain.png (the page in a
browser, for which Chromium is needed), docs/curve.svg and docs/terminal.svg (commands as they were
typed, with what they said).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).parents[1] / "docs"
WIDTH, HEIGHT = 1280, 860
COLUMNS = 100
TYPED = (
    "llmzip jabberwocky.txt",
    "llmzip -l jabberwocky.txt.llmz",
    "llmzip explain --term jabberwocky.txt",
)


def main() -> None:
    """Make all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "jabberwocky.txt").write_text(_text())
        _record(folder, DOCS / "terminal.svg")
        _run(f"llmzip explain -q --svg {DOCS / 'curve.svg'} -f jabberwocky.txt", folder)
        _run("llmzip explain -q -o page.html jabberwocky.txt", folder)
        _photograph(folder / "page.html", DOCS / "explain.png")


def _text() -> str:
    """Return the text that the tutorial begins with."""
    found = re.search(r"<<'END'\n(.*?)^END$", (DOCS / "TUTORIAL.md").read_text(), re.S | re.M)
    assert found is not None, "the tutorial begins with a text"
    return found[1]


def _run(command: str, folder: Path) -> str:
    """Run a command of ours, coloured, as in a terminal of so many columns; return what it says."""
    words = [sys.executable, "-m", *command.split()]
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    env = {**os.environ, **colours, "COLORTERM": "truecolor"}
    return subprocess.run(
        words, cwd=folder, env=env, check=True, capture_output=True, text=True
    ).stdout


def _record(folder: Path, path: Path) -> None:
    """Type the commands; write what a terminal shows then."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for command in TYPED:
            console.print(Text(f"$ {command}", style="bold"))
            shown = _run(command, folder)
            console.print(Text.from_ansi(shown), end="\n" if shown else "")
    path.write_text(console.export_svg(title="llmzip", unique_id="llmzip"))


def _photograph(page: Path, path: Path) -> None:
    """Open the page, choose its dearest word, and write what is seen."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        shown.goto(page.as_uri())
        shown.wait_for_selector("body.ready")
        shown.get_by_text("vorpal", exact=False).first.click()
        shown.evaluate("document.getElementById('curve').scrollIntoView()")
        shown.evaluate("scrollBy(0, -60)")
        shown.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main()
