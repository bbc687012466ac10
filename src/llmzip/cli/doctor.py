"""`llmzip doctor`: what to look at, and to show others, where llmzip is slow or broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from llmzip.cli.messages import Messages
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.escaping import one_line

if TYPE_CHECKING:
    from llmzip.doctor import Section


@verb("doctor", takes_files=False)
def doctor(messages: Messages, settings: Settings) -> None:
    """Say what is slow or broken here, and what to do about it; for reports of bugs, too.

    Versions, processor, devices, whether the kernels compute what they must, caches and models,
    a line each, with what to do below it. The status is 1 if anything is wrong. Nothing is
    fetched or prepared for it. For example `llmzip doctor --clean --speed` removes from the
    caches what is of no more use, and measures the default model's speed.
    """
    from llmzip.doctor import State, examine
    from llmzip.report.doctor import as_json

    sections = []
    for section in examine(clean=settings.clean, measure_speed=settings.measure_speed):
        sections.append(section)
        if not settings.wants_json:
            _show(section, is_first=len(sections) == 1)
    if settings.wants_json:
        click.echo(json.dumps(as_json(sections), indent=2))
    found = [one for section in sections for one in section.findings]
    if wrong := [one.name for one in found if one.state is State.WRONG]:
        messages.error(f"something is wrong here: {', '.join(dict.fromkeys(wrong))}")


def _show(section: Section, *, is_first: bool) -> None:
    from llmzip.report.doctor import section_lines

    if not is_first:
        click.echo()
    for line in section_lines(section):
        click.echo(one_line(line))
