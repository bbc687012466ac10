"""Scores, shown: as a table, as lines, as JSON, as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmzip.cli.listing import columns
from llmzip.escaping import one_line

if TYPE_CHECKING:
    from llmzip.codec.score import LineScore, Score

_HEADINGS = (
    *("BITS/BYTE", "BITS/TOKEN", "BITS/CHAR", "PERPLEXITY"),
    *("TOKENS", "CHARS", "BYTES", "UNSCORED", "MODEL", "FILE"),
)
_LINE_HEADINGS = ("BITS/BYTE", "BITS", "LINE", "MODEL", "FILE", "TEXT")


@dataclass(frozen=True)
class Scored:
    """What a file has come to. model: as it was named. text: where its lines are wanted."""

    path: Path
    model: str
    score: Score
    text: bytes | None = None

    def lines(self) -> Iterator[tuple[LineScore, str]]:
        """Yield each line with what stands in it; bytes that are no UTF-8 are surrogates."""
        assert self.text is not None
        for line in self.score.lines(self.text):
            data = self.text[line.start : line.start + line.n_bytes]
            bare = data.removesuffix(b"\n").removesuffix(b"\r")
            yield line, bare.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Failed:
    """A file that has no score, and why."""

    path: Path
    error: str


def as_table(found: Sequence[Scored]) -> str:
    """Return a row for each file and model, and with several files a total for each model."""
    if not found:
        return ""
    rows = [_HEADINGS, *(_row(one.score, one.model, one_line(str(one.path))) for one in found)]
    for model in dict.fromkeys(one.model for one in found):
        own = [one.score for one in found if one.model == model]
        if len(own) > 1:
            rows.append(_row(type(own[0]).joined(own), model, f"{len(own):,} files"))
    return _text(columns(rows))


def as_lines(found: Sequence[Scored]) -> str:
    """Return a row for each line of each file, by each model."""
    kept = [
        *(0, 1, 2),
        *([3] if len({one.model for one in found}) > 1 else []),
        *([4] if len({one.path for one in found}) > 1 else []),
        5,
    ]
    rows = [tuple(row[i] for i in kept) for row in _line_rows(found)]
    return _text(columns([tuple(_LINE_HEADINGS[i] for i in kept), *rows], len(kept) - 3))


def as_json(found: Sequence[Scored | Failed]) -> str:
    """Return an array with an object for each file and model, as docs/CLI.md describes it."""
    objects = []
    for one in found:
        if isinstance(one, Failed):
            objects.append({"file": str(one.path), "error": one.error})
            continue
        own = _figures(one)
        if one.text is not None:
            own["lines"] = [_line_figures(line, text) for line, text in one.lines()]
        objects.append(own)
    return json.dumps(objects, indent=2) + "\n"


def as_csv(found: Sequence[Scored], per_line: bool) -> str:
    """Return the same as rows, of files or of their lines, after one with their names."""
    rows: list[dict[str, Any]] = []
    for one in found:
        if per_line:
            about = {"file": str(one.path), "model": one.model}
            rows += ({**about, **_line_figures(line, text)} for line, text in one.lines())
        else:
            rows.append(_figures(one))
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row(score: Score, model: str, name: str) -> tuple[str, ...]:
    return (
        _decimals(score.bits_per_byte),
        _decimals(score.bits_per_token),
        _decimals(score.bits_per_character),
        _decimals(score.perplexity),
        f"{score.n_tokens:,}",
        f"{score.n_characters:,}",
        f"{score.n_bytes:,}",
        f"{score.n_unscored_bytes:,}",
        one_line(model),
        name,
    )


def _line_rows(found: Sequence[Scored]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of lines with all columns; those of one line by several models together."""
    by_path: dict[Path, list[Scored]] = {}
    for one in found:
        by_path.setdefault(one.path, []).append(one)
    for path, own in by_path.items():
        for by_models in zip(*(one.lines() for one in own), strict=True):
            for one, (line, text) in zip(own, by_models, strict=True):
                yield (
                    _decimals(line.bits_per_byte, ""),
                    _decimals(line.bits, ""),
                    str(line.number),
                    one_line(one.model),
                    one_line(str(path)),
                    one_line(text),
                )


def _figures(one: Scored) -> dict[str, Any]:
    score = one.score
    return {
        "file": str(one.path),
        "model": one.model,
        "fingerprint": None if score.model is None else score.model.fingerprint.hex(),
        "bytes": score.n_bytes,
        "scored_bytes": score.n_scored_bytes,
        "other_bytes": score.n_other_bytes,
        "characters": score.n_characters,
        "tokens": score.n_tokens,
        "bits": score.total_bits,
        "bits_per_byte": _known(score.bits_per_byte),
        "bits_per_token": _known(score.bits_per_token),
        "bits_per_character": _known(score.bits_per_character),
        "perplexity": _known(score.perplexity),
    }


def _line_figures(line: LineScore, text: str) -> dict[str, Any]:
    return {
        "line": line.number,
        "offset": line.start,
        "bytes": line.n_bytes,
        "scored_bytes": line.n_scored_bytes,
        "tokens": line.n_tokens,
        "bits": line.bits,
        "bits_per_byte": _known(line.bits_per_byte),
        "text": text,
    }


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _decimals(number: float, separator: str = ",") -> str:
    """Return it with four decimals; a dash where there is none."""
    return "-" if math.isnan(number) else f"{number:{separator}.4f}"


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
