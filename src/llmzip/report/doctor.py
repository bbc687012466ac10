"""What `llmzip doctor` prints: sections of aligned lines, or an object of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmzip.doctor import Finding, Section

_NAME_WIDTH = 16


def section_lines(section: Section) -> Iterator[str]:
    """Yield a heading, a line for each finding, and one below it where there is something to do."""
    yield section.title.capitalize()
    for one in section.findings:
        yield f"  {one.name:<{_NAME_WIDTH}}  {_on_one_line(one.value)}"
        if one.advice:
            yield f"  {'':<{_NAME_WIDTH}}    -> {_on_one_line(one.advice)}"


def as_json(sections: Iterable[Section]) -> dict[str, Any]:
    """Return the same as an object: an array of findings for each section, by its title."""
    return {section.title: [_object(one) for one in section.findings] for section in sections}


def _object(one: Finding) -> dict[str, Any]:
    own = {"name": one.name, "state": str(one.state), "value": _on_one_line(one.value)}
    advice = {"advice": _on_one_line(one.advice)} if one.advice else {}
    return {**own, **advice, **one.figures}


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
