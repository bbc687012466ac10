"""The golden files: which text, which model, which level and options each is made with."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from unittest import mock

from golden_models import golden_model
from golden_texts import load_text

import tar_samples
from foreign_texts import CODECS, TEXTS
from llmzip.codec import decode_stream, encode_stream, shortlisting
from llmzip.codec.levels import LEVELS, Level
from llmzip.container import ModelRef, Options
from llmzip.predict import OpenedPredictor

FILES = Path(__file__).parent / "files"
LONGER = Level(Options(1024, 1024, 128), group_bytes=1 << 20, n_lanes=64, target_tokens=1024)
LONGEST = LONGER.with_chunks(2048)
FROZEN = LONGER.with_chunks(100)
LEARNING = replace(LEVELS[5].with_chunks(100), n_lanes=2)
"""Small chunks, so that small texts have several, and several waves."""


@dataclass(frozen=True)
class Case:
    """A golden file. levels: of each member; text: of each, told what the model wrote.

    portable: whether all releases of liblzma write the same.
    is_written: whether this release writes it so, and not only reads it.
    has_lists: whether shortlists are taken, small as the vocabulary and the text are.
    """

    says: str
    model: str
    levels: tuple[Level, ...]
    texts: Callable[[], list[bytes]]
    has_dictionary: bool = False
    portable: bool = True
    is_written: bool = True
    has_lists: bool = False

    @property
    def text(self) -> bytes:
        return b"".join(self.texts())

    @property
    def dictionary(self) -> bytes | None:
        """The last 200 bytes of the text, and some bytes that are no text."""
        return load_text(self.model)[-200:] + b"\x00\xff\x04" if self.has_dictionary else None

    def encode(self, way: str | None = None) -> bytes:
        """Return the file as it is compressed now."""
        sink = io.BytesIO()
        with lists_taken() if self.has_lists else nullcontext():
            for level, text in zip(self.levels, self.texts(), strict=True):
                opened = self._opened(level.options, way)
                marked = level.with_dictionary(opened.dictionary) if self.has_dictionary else level
                encode_stream(io.BytesIO(text), sink, partial(_same, opened), marked)
        return sink.getvalue()

    def decode(self, file: bytes, way: str | None = None) -> bytes:
        """Return what a file decodes to now."""
        sink = io.BytesIO()

        def open_model(ref: ModelRef | None, options: Options) -> OpenedPredictor:
            opened = self._opened(options, way)
            assert ref is None or ref == opened.ref
            assert options.dictionary == opened.dictionary
            return opened

        decode_stream(io.BytesIO(file), sink, open_model)
        return sink.getvalue()

    def _opened(self, options: Options, way: str | None) -> OpenedPredictor:
        return _opened(self.model, replace(options, dictionary=None), way, self.dictionary)


@cache
def _opened(
    model: str, options: Options, way: str | None, dictionary: bytes | None
) -> OpenedPredictor:
    return golden_model(model).opened(options, way, dictionary)


def _same(opened: OpenedPredictor) -> OpenedPredictor:
    return opened


def path_of(name: str) -> Path:
    """Return where the golden file of a case lies."""
    return FILES / f"{name}.hex"


def _noise(n_bytes: int) -> bytes:
    return random.Random(1).randbytes(n_bytes)


def _table(n_lines: int) -> bytes:
    return b"".join(b"%d,%d;%d\n" % (i, i * i % 97, i * 7 % 31) for i in range(n_lines))


def _few_values(n_bytes: int) -> bytes:
    """Noise of four bits in each byte, which is no text."""
    return bytes(0x80 | n & 15 for n in _noise(n_bytes))


def _archive(model: str, form: str) -> bytes:
    """Texts in an archive, in the order in which the model wrote them, with binary data."""
    text = load_text(model)
    time = 1_700_000_000.5 if form == "pax" else 1_700_000_000
    parts = [text[:90], text[90:150], _few_values(70), b"", text[150:240]]
    files = [
        (tar_samples.member(f"notes/{n}.txt", mtime=time + n), part) for n, part in enumerate(parts)
    ]
    return tar_samples.archive(files, form)


BINARY = b"".join(bytes([i, 0, i * 5 % 251, 7, 0, 0, i * i % 256, 0]) for i in range(60)) * 40
"""Long repeats of something that is no text: LZMA's."""


def _crlf(model: str) -> bytes:
    """Text with CR LF for its line ends, but for one of them."""
    text = load_text(model).replace(b"\n", b"\r\n")
    assert text.count(b"\n") >= 17, "so few lines that one exception is too many"
    return text[::-1].replace(b"\n\r", b"\n", 1)[::-1]


def _of_model(model: str) -> dict[str, Case]:
    """Return the files that every model has: of each lm kind, learning or not."""

    def text() -> list[bytes]:
        return [load_text(model)]

    short = replace(LEARNING, group_bytes=150)
    return {
        f"{model}-frozen": Case("chunks that share nothing", model, (FROZEN,), text),
        f"{model}-learning": Case("chunks and waves that learn", model, (LEARNING,), text),
        f"{model}-groups": Case("groups that learn, each for itself", model, (short,), text),
        f"{model}-lines": Case(
            "CR LF but for one line, shares nothing", model, (FROZEN,), lambda: [_crlf(model)]
        ),
        f"{model}-lines-learning": Case(
            "CR LF but for one line, learning", model, (LEARNING,), lambda: [_crlf(model)]
        ),
        f"{model}-dictionary": Case(
            "begins with a dictionary", model, (LEARNING.roomy(),), text, has_dictionary=True
        ),
    }


def _encoded(name: str) -> list[bytes]:
    """The model's text and words of the encoding's own; CR LF in some, in some what is no text."""
    own = {"WINDOWS-1252": "äü größer über Mühe ä ö ", "EUC-KR": "아침에 강"}
    n_own = 5 if name in ("SHIFT-JIS", "EUC-JP", "GB18030") else 9
    some = "" if "UTF" in name else own.get(name, TEXTS[name][:n_own])
    text = load_text("llama").decode()
    broken = {"UTF-16LE": b"\x00\xd8", "UTF-32BE": b"\xff" * 4, "SHIFT-JIS": b"\xff"}
    before, after = text[:260] + some, "\n" + text[260:400]
    if name in ("UTF-16BE", "KOI8-R"):
        before, after = before.replace("\n", "\r\n"), after.replace("\n", "\r\n")
    coded = [text.encode(CODECS[name]) for text in (before, after)]
    return [broken.get(name, b"").join(coded)]


def lists_taken() -> AbstractContextManager[object]:
    """Take the shortest list by which one token in six must be spelled by others, or fewer."""
    return mock.patch.multiple(
        shortlisting, LEAST_TOKENS=0, BITS_OF_CHOICE=0, BITS_OF_PIECE=1, SPARE_BITS=0.2
    )


def _of_lists() -> dict[str, Case]:
    """Return files that go by shortlists: of every layout, and with what a list does not have."""

    def text() -> list[bytes]:
        return [load_text("listed")]

    def crlf() -> list[bytes]:
        return [_crlf("listed")]

    def groups() -> list[bytes]:
        text, strange = load_text("listed"), " это 日本 था".encode()
        return [text[:417] + strange * 3 + text[417:640] + " это".encode() * 2]

    short = replace(LEARNING, group_bytes=240)
    few = {"frozen": FROZEN, "learning": LEARNING, "lone": LEVELS[5], "lone-frozen": LONGER}
    cases = {
        f"listed-{name}": Case(f"by a shortlist, {name}", "listed", (level,), text, has_lists=True)
        for name, level in few.items()
    }
    says = "by a shortlist, CR LF but for one line"
    cases["listed-lines"] = Case(says, "listed", (LEARNING,), crlf, has_lists=True)
    for name, level in {
        "groups": short,
        "groups-frozen": replace(short, options=FROZEN.options),
    }.items():
        says = "groups by different shortlists, and by none"
        cases[f"listed-{name}"] = Case(says, "listed", (level,), groups, has_lists=True)
    return cases


def _of_encodings() -> dict[str, Case]:
    return {
        f"encoded-{name.lower()}": Case(
            f"text in {name}", "llama", (FROZEN,), partial(_encoded, name)
        )
        for name in CODECS
    }


def _of_levels() -> dict[str, Case]:
    """Return a file of each level, and of what 1 and 2 were before they had shorter chunks."""
    levels = {f"{number}": level for number, level in LEVELS.items()}
    levels |= {"1-of-1024": LONGER, "2-of-2048": LONGEST}
    return {
        f"level-{name}": Case(
            f"level {name}, chunks longer than some windows",
            "long",
            (level,),
            lambda: [load_text("long")],
        )
        for name, level in levels.items()
    }


def _of_kinds() -> dict[str, Case]:
    level = (LEVELS[5],)
    members = (FROZEN, LEARNING, LONGER, LEVELS[9])
    escapes = b"a byte \x04 without a token\xff, and \xf5\xc0 more: "
    mixed_groups = replace(LEARNING, group_bytes=600)

    def groups() -> list[bytes]:
        text, table = load_text("llama"), _table(60)[:600]
        return [text.ljust(600)[:600] + _noise(600) + table + text[:250]]

    def concatenated() -> list[bytes]:
        text = load_text("gpt2")
        return [text, _table(30), b"", text[:90]]

    return {
        "empty": Case("nothing at all", "gpt2", level, lambda: [b""]),
        "stored": Case("noise is stored", "gpt2", level, lambda: [_noise(70)]),
        "mixed": Case("a table is mixed", "gpt2", level, lambda: [_table(60)]),
        "lzma": Case("LZMA", "gpt2", level, lambda: [BINARY], portable=False),
        "counted": Case("few values, any of them", "gpt2", level, lambda: [_few_values(5000)]),
        "tar-ustar": Case(
            "files of an archive, joined", "llama", (FROZEN,), lambda: [_archive("llama", "ustar")]
        ),
        "tar-pax-learning": Case(
            "files of a pax archive, joined, learning",
            "llama",
            (LEARNING,),
            lambda: [_archive("llama", "pax")],
        ),
        "escapes": Case(
            "bytes without a token", "llama", level, lambda: [escapes + load_text("llama")]
        ),
        "groups-of-kinds": Case("a group of each kind", "llama", (mixed_groups,), groups),
        "members": Case("four members of other levels", "gpt2", members, concatenated),
        "members-spelled": Case(
            "the same, the window of the last spelled out",
            "gpt2",
            members,
            concatenated,
            is_written=False,
        ),
        "one-byte": Case("one byte", "gpt2", level, lambda: [b"a"]),
    }


CASES: dict[str, Case] = {
    **_of_kinds(),
    **_of_encodings(),
    **_of_model("gpt2"),
    **_of_model("llama"),
    **_of_model("gpt2-wide"),
    **_of_model("llama-wide"),
    **_of_levels(),
    **_of_lists(),
}
