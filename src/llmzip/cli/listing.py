"""What .llmz files hold, summed up, and shown: in a block of lines, in a table's row, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from llmzip.errors import TrailingError

if TYPE_CHECKING:
    from llmzip.container import Chunk, Kind, ModelRef, Options, Reference, Summary

T = TypeVar("T")

HEADINGS = ("COMPRESSED", "ORIGINAL", "BITS/BYTE", "CHUNKS", "GROUPS", "MODEL", "FILE")
_MOST = 8  # different models, or options, that are named: more of them nobody reads
_UNNAMED = "(dictionary)"


@dataclass
class Listing:
    """What the members of a file come to: a file may have millions, so none of them is kept.

    models, options: the first few different ones, options with whether there is just one wave.
    supplied: what layouts supply, in bytes: copied, runs, padding. references: the sizes of the
    first few files that it was made from. checksum: of the text, where there is but one member.
    trailing: what follows the file and is no
    part of it.
    """

    n_members: int = 0
    n_compressed: int = 0
    n_bytes: int = 0
    n_groups: int = 0
    n_waves: int = 0
    n_tokens: int = 0
    n_chunks: Counter[Kind] = field(default_factory=Counter)
    n_kind_bytes: Counter[Kind] = field(default_factory=Counter)
    n_listed_bytes: Counter[str] = field(default_factory=Counter)
    models: list[ModelRef] = field(default_factory=list)
    options: list[tuple[Options, bool]] = field(default_factory=list)
    supplied: Counter[str] = field(default_factory=Counter)
    references: list[Reference] = field(default_factory=list)
    needs_dictionary: bool = False
    names_no_model: bool = False
    checksum: bytes | None = None
    trailing: TrailingError | None = None

    @classmethod
    def of(cls, source: BinaryIO) -> Listing:
        """Return what `source` holds; data after its end is no reason not to.

        Raises FormatError.
        """
        from llmzip import container

        listing = cls()
        try:
            for member in container.inspect(source, listing.add_layout):
                listing.add(member)
        except TrailingError as exc:
            listing.trailing = exc
        return listing

    def add(self, member: Summary) -> None:
        """Count one more member."""
        self.n_members += 1
        self._sum(member)
        self.checksum = member.checksum if self.n_members == 1 else None
        self.needs_dictionary |= member.options.dictionary is not None
        self.names_no_model |= member.model is None and member.n_tokens > 0
        _note(self.options, (member.options, member.n_waves == 1))
        model = member.model
        if model is not None and model.nameless not in [one.nameless for one in self.models]:
            _note(self.models, model)

        if member.reference is not None:
            _note(self.references, member.reference)

    def add_layout(self, chunk: Chunk) -> None:
        """Count what a layout supplies. Raises CorruptError."""
        from llmzip.codec.layouts import program_of
        from llmzip.layout.program import supplied, unpack_layout

        found = supplied(unpack_layout(program_of(chunk)), chunk.n_bytes)
        counts = {"copied": found.n_copied, "runs": found.n_filled, "padding": found.n_padding}
        self.supplied.update({what: n for what, n in counts.items() if n})

    def merge(self, other: Listing) -> None:
        """Count another file, too."""
        self.n_members += other.n_members
        self._sum(other)

    def _sum(self, one: Summary | Listing) -> None:
        self.n_compressed += one.n_compressed
        self.n_bytes += one.n_bytes
        self.n_groups += one.n_groups
        self.n_waves += one.n_waves
        self.n_tokens += one.n_tokens
        self.n_chunks.update(one.n_chunks)
        self.n_kind_bytes.update(one.n_kind_bytes)
        self.n_listed_bytes.update(one.n_listed_bytes)
        if isinstance(one, Listing):
            self.supplied.update(one.supplied)

    @property
    def n_coded(self) -> dict[str, int]:
        """How many bytes of text went to the model, to each codec, or to no codec at all."""
        counts = Counter[str]()
        for kind, n in self.n_kind_bytes.items():
            if kind.name != "LAYOUT":
                counts["model" if kind.needs_model else kind.name.lower()] += n
        return dict((counts + self.supplied).most_common())

    @property
    def transcoded(self) -> dict[str, int]:
        """Of how many bytes the model was given the text in UTF-8, by the encoding they are in."""
        by_kind = sorted(self.n_kind_bytes.items())
        return {kind.encoding: n for kind, n in by_kind if kind.encoding is not None}

    @property
    def shortlists(self) -> dict[str, int]:
        """How many bytes the model was asked for by each shortlist of its vocabulary."""
        return dict(sorted(self.n_listed_bytes.items()))

    @property
    def bits_per_byte(self) -> float | None:
        """Bits in the file for a byte of the text; None for no text."""
        return 8 * self.n_compressed / self.n_bytes if self.n_bytes else None

    @property
    def model_names(self) -> list[str]:
        """What to call the models, in order."""
        names = {model.shown for model in self.models} | (
            {_UNNAMED} if self.names_no_model else set()
        )
        return [*sorted(names), *(["..."] if len(self.models) >= _MOST else [])]

    @property
    def levels(self) -> list[int]:
        """The levels that the file may have been made with; none where chunks were chosen."""
        from llmzip.codec.levels import levels_with

        found = (levels_with(options, is_one_wave) for options, is_one_wave in self.options)
        return sorted({level for levels in found for level in levels})


def row(listing: Listing, name: str) -> tuple[str, ...]:
    """Return a line of the table."""
    ratio = listing.bits_per_byte
    return (
        f"{listing.n_compressed:,}",
        f"{listing.n_bytes:,}",
        "-" if ratio is None else f"{ratio:.3f}",
        f"{listing.n_chunks.total():,}",
        f"{listing.n_groups:,}",
        ", ".join(listing.model_names) or "-",
        name,
    )


def columns(rows: Sequence[Sequence[str]], n_names: int = 2) -> list[str]:
    """Return the rows with numbers to the right and names, the last of them, to the left."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    widths[-1] = 0
    n_numbers = len(widths) - n_names
    return [
        "  ".join(
            f"{cell:>{width}}" if i < n_numbers else f"{cell:<{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def block(listing: Listing, name: str, *, is_total: bool = False) -> list[str]:
    """Return all that is known about a file, under its name; of several, the sums."""
    ratio = listing.bits_per_byte
    bits = "" if ratio is None else f" ({ratio:.3f} bits per byte)"
    facts = [
        ("compressed", f"{listing.n_compressed:,} bytes{bits}"),
        ("original", f"{listing.n_bytes:,} bytes"),
        ("members", f"{listing.n_members:,}"),
        ("groups", f"{listing.n_groups:,} in {listing.n_waves:,} waves"),
        ("chunks", f"{listing.n_chunks.total():,}{_by_kind(listing.n_chunks)}"),
        ("bytes", ", ".join(f"{n:,} {what}" for what, n in listing.n_coded.items()) or "none"),
        ("tokens", f"{listing.n_tokens:,}"),
        *(("transcoded", f"{n:,} bytes from {name}") for name, n in listing.transcoded.items()),
        *(("shortlist", f"{n:,} bytes by {name}") for name, n in listing.shortlists.items()),
    ]
    if not is_total:
        facts += _more_facts(listing)
    return [name, *(f"  {label:<12}{value}" for label, value in facts)]


def as_json(listing: Listing, name: str) -> dict[str, Any]:
    """Return the object of `llmzip list --json`, as docs/CLI.md describes it."""
    return {
        "file": name,
        "compressed_bytes": listing.n_compressed,
        "original_bytes": listing.n_bytes,
        "bits_per_byte": listing.bits_per_byte,
        "members": listing.n_members,
        "groups": listing.n_groups,
        "waves": listing.n_waves,
        "chunks": {kind.name.lower(): n for kind, n in sorted(listing.n_chunks.items())},
        "bytes": listing.n_coded,
        "tokens": listing.n_tokens,
        "transcoded": listing.transcoded,
        "shortlists": listing.shortlists,
        "levels": listing.levels,
        "dictionary": listing.needs_dictionary,
        "references": [
            {"bytes": one.n_bytes, "checksum": one.checksum.hex()} for one in listing.references
        ],
        "models": [
            {
                "name": model.name,
                "source": model.source,
                "fingerprint": model.fingerprint.hex(),
                "portable": model.portable,
            }
            for model in listing.models
        ],
        "checksum": None if listing.checksum is None else listing.checksum.hex(),
        "trailing": None if listing.trailing is None else str(listing.trailing),
    }


def _more_facts(listing: Listing) -> list[tuple[str, str]]:
    levels = " or ".join(map(str, listing.levels)) or "unknown: of chunks of a chosen length"
    facts = [("level", levels)]
    for model in listing.models:
        here = "" if model.portable else ", in floating point: for one machine only"
        named = model.name or "not named"
        facts.append(("model", f"{named}, fingerprint {model.fingerprint.hex()}{here}"))
        facts.append(("", f"from {model.source}" if model.source else "from a place not named"))
    if not listing.models:
        named = "that whoever decompresses knows" if listing.names_no_model else "none needed"
        facts.append(("model", named))
    if listing.needs_dictionary:
        facts.append(("dictionary", "needed"))
    for one in listing.references:
        facts.append(("made from", f"{one.n_bytes:,} bytes, {one.checksum.hex()} (XXH3)"))
    checksum = "of each member" if listing.checksum is None else listing.checksum.hex()
    facts.append(("checksum", f"{checksum} (XXH3)"))
    return facts


def _by_kind(n_chunks: Counter[Kind]) -> str:
    kinds = ", ".join(f"{n:,} {kind.name.lower()}" for kind, n in sorted(n_chunks.items()))
    return f": {kinds}" if kinds else ""


def _note(seen: list[T], found: T) -> None:
    """Note what has not been seen, up to a limit."""
    if found not in seen and len(seen) < _MOST:
        seen.append(found)
