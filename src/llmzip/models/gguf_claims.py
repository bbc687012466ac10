"""What a GGUF file says of itself, read without believing it.

The libraries that read GGUF loop as often as a count in the file says and allocate what its
fields ask for. This reads the same headers first: counts, lengths and sizes are held against the
file's own size. (The format: ggml's docs/gguf.md.)
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path

from llmzip.errors import ModelDamagedError, ModelUnsupportedError
from llmzip.models.claims import check_implied, check_number

MOST_FIELDS = 1 << 12
MOST_TENSORS = 1 << 16
MOST_ELEMENTS = 1 << 22
"""Of all arrays in the metadata together; each is read one by one."""
MOST_STRING_BYTES = 1 << 22
MOST_KEPT_NUMBERS = 1 << 10
"""Of an array that is kept; one with more says nothing of single layers."""
MOST_WORD_BYTES = 64
"""Of a text that says which of several things is meant."""
MOST_PAIRS = 1 << 12
"""Of a head, turned by RoPE."""
MOST_AXES = 8
WEIGHTS_PER_BYTE = 8
"""No quantisation takes less than a bit a weight."""

_SCALARS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_F32 = 0


@dataclass
class GgufHeader:
    """What a header says that decides how the model is read.

    values: numbers and short texts, by their names without the architecture.
    arrays: the numbers of arrays, by names alike; none of one that is long, or not of numbers.
    tensors: of RoPE's own tensors of F32: how many numbers, and where in the file they begin.
    has_head_norms: whether queries have norms of their own.
    """

    architecture: str = ""
    values: dict[str, int | float | str] = field(default_factory=dict)
    arrays: dict[str, list[int | float]] = field(default_factory=dict)
    tensors: dict[str, tuple[int, int]] = field(default_factory=dict)
    order: str = "<"
    has_head_norms: bool = False

    @property
    def plain_yarn(self) -> bool:
        """Whether yarn is as its paper has it, as far as the header says."""
        names = ("rope.scaling.yarn_log_multiplier", "rope.scaling.yarn_ext_factor")
        return all(self.values.get(name, 1.0) in (1.0, -1.0) for name in names[1:]) and not (
            self.values.get(names[0])
        )

    def number(self, name: str) -> float | None:
        """A number, if there is one of that name."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) else None

    def floats(self, path: Path, name: str) -> list[float]:
        """The numbers of one of `tensors`. Raises: OSError, ModelDamagedError."""
        n_numbers, at = self.tensors[name]
        with path.open("rb") as file:
            file.seek(at)
            data = file.read(4 * n_numbers)
        if len(data) != 4 * n_numbers:
            raise ModelDamagedError(f"{path} is not whole: get it again")
        return list(struct.unpack(f"{self.order}{n_numbers}f", data))


def check_gguf(path: Path) -> GgufHeader:
    """Check all that a GGUF file claims of its sizes; return what else it says.

    Raises: ModelUnsupportedError where a claim is too large; ModelDamagedError where it
    contradicts the file; OSError.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            reader = _Reader(path, data)
            reader.read()
    except (struct.error, ValueError, UnicodeDecodeError, KeyError) as exc:
        raise ModelDamagedError(f"{path} is no GGUF file, or not whole: get it again") from exc
    check_implied(path, _n_implied(reader.numbers), reader.n_weights)
    return reader.header


def _n_implied(numbers: dict[str, int]) -> int:
    """Return how many weights a model of these sizes has at least, whatever its architecture."""
    width = numbers.get("embedding_length", 0)
    layer = 2 * width * (width + numbers.get("feed_forward_length", 0))
    return numbers.get("block_count", 0) * layer + numbers.get("vocab_size", 0) * width


@dataclass
class _Reader:
    """Walks through the headers once.

    numbers: whole numbers among the metadata, by the last part of their names.
    n_weights: elements of all tensors.
    """

    path: Path
    data: mmap.mmap
    at: int = 0
    order: str = "<"
    numbers: dict[str, int] = field(default_factory=dict)
    n_weights: int = 0
    n_elements: int = 0
    header: GgufHeader = field(default_factory=GgufHeader)

    def read(self) -> None:
        if self.data[:4] != b"GGUF":
            raise ValueError("another magic")
        self.at = 4
        if not self._scalar("I") & 0xFFFF:  # a file for machines of the other byte order
            self.order = ">"
        n_tensors, n_fields = self._scalar("Q"), self._scalar("Q")
        self._at_most("tensors", n_tensors, MOST_TENSORS)
        self._at_most("fields", n_fields, MOST_FIELDS)
        for _ in range(n_fields):
            self._field()
        for _ in range(n_tensors):
            self._tensor()
        self._finish_header()
        self._at_most("weights", self.n_weights, WEIGHTS_PER_BYTE * len(self.data))

    def _field(self) -> None:
        name = self._string(256).decode()
        kind = self._scalar("I")
        value = self._array(name) if kind == _ARRAY else self._value(kind)
        if kind != _ARRAY and value is not None:
            self.header.values[name] = value
        if isinstance(value, str):
            return
        check_number(str(self.path), name, value)
        if type(value) is int:
            last = "vocab_size" if name == "tokenizer.ggml.tokens" else name.rpartition(".")[2]
            self.numbers[last] = max(value, self.numbers.get(last, 0))

    def _array(self, name: str) -> int:
        """Pass over an array; return how many elements it has."""
        kind, n_elements = self._scalar("I"), self._scalar("Q")
        self.n_elements += n_elements
        self._at_most("elements of metadata", self.n_elements, MOST_ELEMENTS)
        if name == "tokenizer.ggml.tokens":
            check_number(str(self.path), "vocab_size", n_elements)
        kept: list[int | float] = []
        self.header.arrays[name] = kept
        for _ in range(n_elements):
            value = self._value(kind)
            check_number(str(self.path), name, value)
            if n_elements <= MOST_KEPT_NUMBERS and isinstance(value, int | float):
                kept.append(value)
        return n_elements if name == "tokenizer.ggml.tokens" else 0

    def _value(self, kind: int) -> int | float | str | None:
        if kind == _STRING:
            text = self._string(MOST_STRING_BYTES)
            return text.decode(errors="replace") if len(text) <= MOST_WORD_BYTES else None
        return self._scalar(_SCALARS[kind])

    def _tensor(self) -> None:
        name = self._string(256)
        n_axes = self._scalar("I")
        self._at_most("axes", n_axes, MOST_AXES)
        n_weights = math.prod(self._scalar("Q") for _ in range(n_axes))
        self.n_weights += n_weights
        kind, offset = self._scalar("I"), self._scalar("Q")  # the kind: how it is quantised
        if offset > len(self.data):
            raise ValueError("a tensor lies outside the file")
        self.header.has_head_norms |= b".attn_q_norm." in name
        if name.startswith(b"rope_"):
            if kind != _F32 or n_weights > MOST_PAIRS:
                raise ModelUnsupportedError(f"{self.path} has {name.decode()} of another kind")
            self.header.tensors[name.decode()] = (n_weights, offset)

    def _finish_header(self) -> None:
        """Names lose their architecture, and tensors get their places in the file."""
        values, header = self.header.values, self.header
        architecture, unit = values.get("general.architecture"), values.get("general.alignment", 32)
        header.architecture, header.order = str(architecture), self.order
        header.values = {n.removeprefix(f"{architecture}."): v for n, v in values.items()}
        header.arrays = {n.removeprefix(f"{architecture}."): v for n, v in header.arrays.items()}
        if not isinstance(unit, int) or unit < 1:
            raise ValueError("tensors aligned to nothing")
        begin = -(-self.at // unit) * unit
        header.tensors = {name: (n, begin + at) for name, (n, at) in header.tensors.items()}

    def _scalar(self, kind: str) -> int:
        (value,) = struct.unpack_from(self.order + kind, self.data, self.at)
        self.at += struct.calcsize(self.order + kind)
        return value  # type: ignore[no-any-return]

    def _string(self, most: int) -> bytes:
        n_bytes = self._scalar("Q")
        self._at_most("bytes of a string", n_bytes, most)
        text = self.data[self.at : self.at + n_bytes]
        self.at += n_bytes
        if self.at > len(self.data):
            raise ValueError("a string goes beyond the file")
        return text

    def _at_most(self, what: str, count: int, most: int) -> None:
        if count > most:
            raise ModelUnsupportedError(
                f"{self.path} claims {count:,} {what}, more than the {most:,} that are believed"
            )
