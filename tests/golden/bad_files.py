"""Files to be refused: one for each way to be wrong that the reader can tell.

refusals.json has what each must get, old and new, by its name in tests/container/golden;
`new_files` makes those that came with this module. tests/golden/make.py --write pins what is not
there yet.
"""

from __future__ import annotations

import binascii
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "container"))

from container_samples import SMOLLM2, by_hand, read, with_crc

from llmzip.container import bodies
from llmzip.container.limits import SIGNATURE
from llmzip.container.wire import crc32, varint
from llmzip.errors import FormatError

GOLDEN = Path(__file__).resolve().parent.parent / "container" / "golden"
REFUSALS = Path(__file__).with_name("refusals.json")

MODEL = (bodies.TAG_MODEL, bodies.pack_model(SMOLLM2))
GROUP = (bodies.TAG_GROUP, b"\0")
SUM = b"\1\2\3\4"
GOOD_EMPTY = bytes.fromhex("894c4d1000ae001b0b040c09002d06800538d394c20000b59acb81120000004d4c89")

Spec = tuple[str, str, bytes]
"""What is wrong, the class of the error, the file."""


def load(path: Path) -> bytes:
    """Return the bytes of a file that is kept as comments and hexadecimal digits."""
    lines = path.read_text(encoding="ascii").splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


def names() -> list[str]:
    """Return the names of all files that must be refused."""
    paths = [*GOLDEN.glob("bad-*.hex"), *GOLDEN.glob("unsupported-*.hex")]
    return sorted(path.stem for path in paths)


def refusal(file: bytes) -> list[str]:
    """Return the class and the words of the error that a file gets."""
    try:
        read(file)
    except FormatError as exc:
        return [type(exc).__name__, str(exc)]
    raise AssertionError("the file is taken")


def pin_new() -> None:
    """Write the files that are not there yet, and what each of all gets that is not known yet."""
    for name, (what, error, file) in new_files().items():
        path = GOLDEN / f"{name}.hex"
        assert refusal(file)[0] == error, name
        if not path.exists():
            digits = file.hex()
            lines = [digits[at : at + 64] for at in range(0, len(digits), 64)]
            path.write_text("\n".join([f"# {what}", f"# {error}", *lines, ""]), encoding="ascii")
    known = json.loads(REFUSALS.read_text(encoding="utf-8")) if REFUSALS.exists() else {}
    found = {name: known.get(name) or refusal(load(GOLDEN / f"{name}.hex")) for name in names()}
    REFUSALS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def lm(n_bytes: int, n_tokens: int, n_payload: int, kind: int = 1) -> bytes:
    """A head of an lm kind."""
    return bytes([kind]) + b"".join(map(varint, (n_bytes, n_tokens, n_payload))) + SUM


def stored(n_bytes: int) -> bytes:
    return b"\0" + varint(n_bytes) + SUM


def layout(n_bytes: int, n_payload: int) -> bytes:
    return b"\x20" + varint(n_bytes) + varint(n_payload) + SUM


def wave(*heads: bytes, n: int | None = None) -> tuple[int, bytes]:
    return bodies.TAG_WAVE, varint(len(heads) if n is None else n) + b"".join(heads)


def end(offset: int, n_bytes: int, *rest: int) -> tuple[int, bytes]:
    """An end record; rest: offset of the model, number of groups, entries."""
    body = varint(offset) + varint(n_bytes) + bytes(8) + b"".join(map(varint, rest or (0, 0)))
    return bodies.TAG_END, body


def model(body: bytes) -> bytes:
    return by_hand((bodies.TAG_MODEL, body))


def lone(form: int, head: bytes, payload: bytes = b"") -> bytes:
    """A compact member of a lone chunk, its CRC-16 right."""
    guarded = bytes([form]) + head
    crc = binascii.crc_hqx(guarded + payload, 0xFFFF).to_bytes(2, "little")
    return SIGNATURE + guarded + crc + payload


def table(form: int, *fields: bytes, payload: bytes = b"") -> bytes:
    """A compact member with a table, its CRC-32 right."""
    guarded = bytes([form]) + b"".join(fields)
    return SIGNATURE + guarded + crc32(guarded + payload) + payload


def new_files() -> dict[str, Spec]:
    """Return the files by name."""
    files = {**_starts(), **_models(), **_heads(), **_waves(), **_ends(), **_compact()}
    return {**files, **_layouts(), **_references(), **_lists()}


def _starts() -> dict[str, Spec]:
    corrupt, trailing, truncated = "CorruptError", "TrailingError", "TruncatedError"
    return {
        "bad-signature-only": ("Cut off behind the signature.", truncated, SIGNATURE),
        "bad-truncated-header": ("Cut off within the header.", truncated, by_hand()[:7]),
        "bad-truncated-end": ("Cut off before the end record.", truncated, by_hand()),
        "bad-gzip": ("A file of gzip's.", "NotLlmzError", bytes.fromhex("1f8b0800000000000003")),
        "bad-header-flipped": (
            "A bit of the header's CRC is flipped.",
            corrupt,
            GOOD_EMPTY[:5] + b"\xaf" + GOOD_EMPTY[6:],
        ),
        "bad-header-surplus": (
            "Options and one byte more, CRC right.",
            corrupt,
            by_hand(form=0x14, options=b"\x10\x08\x07\x00"),
        ),
        "bad-header-unasked": (
            "Options that the form byte does not say, CRC right.",
            corrupt,
            by_hand(form=0x10, options=b"\x10\x08\x07"),
        ),
        "bad-options-cut": ("Two options of three.", corrupt, by_hand(form=0x14, options=b"\1\2")),
        "bad-options-chunk": (
            "Chunks of up to 0 tokens.",
            corrupt,
            by_hand(form=0x14, options=b"\0\2\1"),
        ),
        "bad-options-chunk-long": (
            "Chunks of up to 65,537 tokens.",
            corrupt,
            by_hand(form=0x14, options=varint(65537) + b"\2\1"),
        ),
        "bad-options-window": (
            "A window of 2^24 + 1 tokens.",
            corrupt,
            by_hand(form=0x14, options=b"\2" + varint((1 << 24) + 1) + b"\1"),
        ),
        "bad-options-carry": (
            "As many tokens are carried over as the window has.",
            corrupt,
            by_hand(form=0x14, options=b"\x10\x08\x08"),
        ),
        "bad-trailing-text": ("A good file, then text.", trailing, GOOD_EMPTY + b"surplus\n"),
        "bad-second-member-cut": (
            "A good file, then a signature without its form.",
            truncated,
            GOOD_EMPTY + SIGNATURE,
        ),
        "unsupported-version-0": ("Version 0 of the format.", "UnsupportedError", by_hand(form=0)),
        "unsupported-version-4": (
            "Version 4 of the format, compact.",
            "UnsupportedError",
            lone(0x41, b"\1" + SUM, b"x"),
        ),
        "unsupported-second-member": (
            "A good file, then one of version 4.",
            "UnsupportedError",
            GOOD_EMPTY + SIGNATURE + b"\x40",
        ),
    }


def _models() -> dict[str, Spec]:
    corrupt = "CorruptError"
    bodies_of = {
        "bad-model-no-name": ("A model without a name.", b"\0\0\0" + bytes(6)),
        "bad-model-long-name": (
            "A name of 256 bytes.",
            b"\0" + varint(256) + b"n" * 256 + b"\0" + bytes(6),
        ),
        "bad-model-long-source": (
            "A source of 1,024 bytes.",
            b"\0\x01n" + varint(1024) + b"s" * 1024 + bytes(6),
        ),
        "bad-model-name-not-utf8": ("A name that is no UTF-8.", b"\0\x01\xff\0" + bytes(6)),
        "bad-model-source-not-utf8": ("A source that is no UTF-8.", b"\0\x01n\x01\xff" + bytes(6)),
        "bad-model-source-bidi": (
            "A source with an override of writing direction.",
            b"\0\x01n\x03\xe2\x80\xae" + bytes(6),
        ),
        "bad-model-fingerprint-cut": ("A fingerprint of 5 bytes.", b"\x01" + bytes(5)),
        "bad-model-fingerprint-long": ("A fingerprint of 7 bytes.", b"\x01" + bytes(7)),
        "bad-model-machine-missing": ("A machine tag that is not there.", b"\x81" + bytes(6)),
    }
    files = {name: (what, corrupt, model(body)) for name, (what, body) in bodies_of.items()}
    code = ("Model code 127.", "UnsupportedError", model(b"\x7f" + bytes(6)))
    return {**files, "unsupported-model-code-127": code}


def _heads() -> dict[str, Spec]:
    heads = {
        "bad-chunk-empty": ("A chunk of 0 bytes.", stored(0)),
        "bad-chunk-bomb": ("A chunk of 16 MiB and 1 byte.", stored((1 << 24) + 1)),
        "bad-chunk-terabyte": ("A chunk of 1 TiB.", stored(1 << 40)),
        "bad-tokens-none": ("100 bytes in 0 tokens.", lm(100, 0, 9)),
        "bad-tokens-too-few": ("10,241 bytes in 10 tokens.", lm(10_241, 10, 9)),
        "bad-tokens-beyond-options": ("2,049 tokens where 2,048 are most.", lm(9000, 2049, 900)),
        "bad-payload-long": ("69 bytes of payload for 10 tokens.", lm(100, 10, 69)),
        "bad-payload-long-lines": ("169 bytes for 10 tokens, 100 bytes.", lm(100, 10, 169, 5)),
        "bad-payload-long-encoded": ("469 bytes for 10 tokens, 100 bytes.", lm(100, 10, 469, 16)),
        "bad-tokens-many-encoded": ("97 tokens for 2 bytes.", lm(2, 97, 9, 22)),
        "bad-tokens-few-encoded": (
            "1 token for 4,106 bytes, 9 of payload.",
            lm(4106, 1, 9, 18),
        ),
        "bad-lzma-no-shorter": ("LZMA that saves nothing.", b"\x02\x05\x05" + SUM),
        "bad-overlong-63-bits": (
            "A number of more than 63 bits.",
            b"\0" + b"\xff" * 9 + b"\1" + SUM,
        ),
    }
    files = {
        name: (f"{what[:-1]}, CRC right.", "CorruptError", by_hand(MODEL, GROUP, wave(head)))
        for name, (what, head) in heads.items()
    }
    kind = by_hand(GROUP, wave(b"\x06" + varint(3) + SUM))
    beyond = by_hand(GROUP, wave(b"\x1c" + varint(3) + SUM))
    return {
        **files,
        "unsupported-kind-6": ("Kind 6.", "UnsupportedError", kind),
        "unsupported-kind-28": ("Kind 28.", "UnsupportedError", beyond),
    }


def _waves() -> dict[str, Spec]:
    corrupt = "CorruptError"
    learning = by_hand(MODEL, GROUP, wave(*[lm(4, 1, 2)] * 65), form=0x20)
    return {
        "bad-wave-empty": ("A wave without chunks.", corrupt, by_hand(GROUP, wave())),
        "bad-wave-count": ("A wave of 65,537 chunks.", corrupt, by_hand(GROUP, wave(n=65537))),
        "bad-wave-fewer": (
            "Two chunks are said, one is there.",
            corrupt,
            by_hand(GROUP, wave(stored(3), n=2)),
        ),
        "bad-wave-more": (
            "One chunk is said, two are there.",
            corrupt,
            by_hand(GROUP, wave(stored(3), stored(3), n=1)),
        ),
        "bad-wave-payload-bomb": (
            "Payloads of more than 64 MiB in a wave.",
            corrupt,
            by_hand(
                MODEL,
                GROUP,
                wave(*[lm(1 << 16, 65536, 393216)] * 171),
                form=0x14,
                options=varint(65536) + b"\2\1",
            ),
        ),
        "bad-wave-learning-65": ("65 chunks that learn from each other.", corrupt, learning),
        "bad-wave-no-group": (
            "A wave before any group.",
            corrupt,
            by_hand(wave(stored(3)), with_crc(b"abc")),
        ),
        "bad-group-surplus": (
            "A group of two bytes.",
            corrupt,
            by_hand((bodies.TAG_GROUP, b"\0\0")),
        ),
        "bad-group-empty-body": ("A group of no bytes.", corrupt, by_hand((bodies.TAG_GROUP, b""))),
        "bad-group-empty-last": (
            "A last group without waves.",
            corrupt,
            by_hand(GROUP, end(16, 0, 0, 1, 9, 0)),
        ),
        "bad-record-bomb": (
            "A record of 64 MiB and 1 byte.",
            corrupt,
            by_hand() + bytes([bodies.TAG_END]) + varint((1 << 26) + 1),
        ),
        "bad-record-cut": (
            "A record of 64 MiB of which 3 bytes are there.",
            "TruncatedError",
            by_hand() + bytes([bodies.TAG_END]) + varint(1 << 26) + b"abc",
        ),
        "bad-record-flipped": (
            "A bit of a record's CRC is flipped.",
            corrupt,
            by_hand(GROUP)[:-1] + b"\0",
        ),
        "bad-wave-lm-before-model": (
            "The model comes after the chunk that needs it.",
            corrupt,
            by_hand(GROUP, wave(lm(4, 1, 2)), with_crc(b"pp"), MODEL),
        ),
        "unsupported-record-0": ("A record of type 0.", "UnsupportedError", by_hand((0, b""))),
        "unsupported-adaptation-255": (
            "Adaptation 255.",
            "UnsupportedError",
            by_hand((2, b"\xff")),
        ),
    }


def _layouts() -> dict[str, Spec]:
    corrupt = "CorruptError"
    start = (GROUP, wave(layout(3, 9)), with_crc(bytes(9)))
    content = (bodies.TAG_CONTENT, wave(stored(3))[1])
    many = [stored(1 << 24)] * 3
    return {
        "bad-layout-second": (
            "A layout that is the second chunk of its wave.",
            corrupt,
            by_hand(GROUP, wave(stored(3), layout(3, 9)), with_crc(b"abc" + bytes(9))),
        ),
        "bad-layout-again": (
            "A layout in a later wave of its group, too.",
            corrupt,
            by_hand(*start, (bodies.TAG_CONTENT, wave(layout(3, 9))[1]), with_crc(bytes(9))),
        ),
        "bad-layout-wave": (
            "A group with a layout whose second wave is as of one without.",
            corrupt,
            by_hand(*start, wave(stored(3)), with_crc(b"abc")),
        ),
        "bad-content-first": (
            "A group without a layout whose first wave is as a later one of one with a layout.",
            corrupt,
            by_hand(GROUP, content, with_crc(b"abc")),
        ),
        "bad-content-later": (
            "The same of its second wave.",
            corrupt,
            by_hand(GROUP, wave(stored(3)), with_crc(b"abc"), content, with_crc(b"abc")),
        ),
        "bad-layout-bomb": (
            "A layout that supplies 64 MiB and a byte.",
            corrupt,
            by_hand(GROUP, wave(layout((1 << 26) + 1, 9))),
        ),
        "bad-layout-wave-bomb": (
            "A layout whose wave comes to 64 MiB and a byte.",
            corrupt,
            by_hand(GROUP, wave(layout(1, 9), *many, stored(1 << 24))),
        ),
        "bad-layout-group-bomb": (
            "The same over two waves, runs of 0xFF.",
            corrupt,
            by_hand(
                GROUP,
                wave(layout(1 << 26, 9)),
                with_crc(bytes(9)),
                (bodies.TAG_CONTENT, wave(b"\4" + varint(1) + varint(0) + SUM)[1]),
                with_crc(b""),
            ),
        ),
        "bad-layout-payload-short": (
            "A layout of five bytes.",
            corrupt,
            by_hand(GROUP, wave(layout(3, 5))),
        ),
        "bad-layout-payload-long": (
            "A layout of 4 MiB and six bytes.",
            corrupt,
            by_hand(GROUP, wave(layout(3, (1 << 22) + 6))),
        ),
        "bad-compact-layout-bomb": (
            "A compact member whose layout supplies 64 MiB, and a chunk more.",
            corrupt,
            table(0x18, b"\2", layout(1 << 26, 9), stored(1), SUM, payload=bytes(10)),
        ),
        "unsupported-kind-63": (
            "Kind 63.",
            "UnsupportedError",
            by_hand(GROUP, wave(b"\x3f" + varint(3) + SUM)),
        ),
    }


def _lists() -> dict[str, Spec]:
    corrupt, unsupported = "CorruptError", "UnsupportedError"
    whole, listed = lm(4, 1, 2), b"\x41\x01" + lm(4, 1, 2)[1:]
    other = b"\x41\x02" + listed[2:]
    two = with_crc(b"pp")
    marked = by_hand(MODEL, GROUP, wave(listed), form=0x30, options=b"mm")
    return {
        "bad-list-zero": (
            "A shortlist without a number.",
            corrupt,
            by_hand(MODEL, GROUP, wave(b"\x41\0" + listed[2:])),
        ),
        "bad-list-zero-compact": ("The same, compact.", corrupt, lone(0x52, b"\0" + listed[2:])),
        "bad-lists-of-wave": (
            "Two chunks of a wave by different shortlists.",
            corrupt,
            by_hand(MODEL, GROUP, wave(listed, whole)),
        ),
        "bad-lists-of-group": (
            "Two waves of a group by different shortlists.",
            corrupt,
            by_hand(MODEL, GROUP, wave(listed), two, wave(other), two, form=0x20),
        ),
        "bad-list-dictionary": ("A shortlist beside a dictionary.", corrupt, marked),
        "unsupported-list-8": (
            "Shortlist 8.",
            unsupported,
            by_hand(MODEL, GROUP, wave(b"\x41\x08" + listed[2:])),
        ),
        "unsupported-list-stored": (
            "A shortlist of a stored chunk.",
            unsupported,
            by_hand(GROUP, wave(b"\x40\x01" + stored(3)[1:])),
        ),
        "unsupported-list-sequence": (
            "A sequence of version 5.",
            unsupported,
            by_hand(MODEL, GROUP, wave(whole), form=0x50),
        ),
        "unsupported-list-table": (
            "A member of version 6 whose chunks say their own kinds.",
            unsupported,
            table(0x68, b"\1\1", listed, SUM, payload=b"pp"),
        ),
        "unsupported-list-repeated": (
            "A member of version 13.",
            unsupported,
            table(0xDA, b"\2\0\1\1", whole[1:], SUM, payload=b"pp"),
        ),
    }


def _references() -> dict[str, Spec]:
    corrupt = "CorruptError"
    good = (bodies.TAG_REFERENCE, bytes(8) + varint(5))
    return {
        "bad-reference-empty": (
            "A reference of no bytes.",
            corrupt,
            by_hand((bodies.TAG_REFERENCE, bytes(8) + varint(0))),
        ),
        "bad-reference-cut": (
            "A reference without its size.",
            corrupt,
            by_hand((bodies.TAG_REFERENCE, bytes(8))),
        ),
        "bad-reference-surplus": (
            "A reference, and a byte.",
            corrupt,
            by_hand((bodies.TAG_REFERENCE, good[1] + b"x")),
        ),
        "bad-reference-twice": ("Two references.", corrupt, by_hand(good, good)),
        "bad-reference-late": ("A reference after a group.", corrupt, by_hand(GROUP, good)),
        "bad-reference-behind-model": (
            "A reference after the model.",
            corrupt,
            by_hand(MODEL, good),
        ),
    }


def _ends() -> dict[str, Spec]:
    corrupt = "CorruptError"
    trailer = b"\x12\0\0\0ML\x89"
    return {
        "bad-end-size": ("1 byte is said, none is there.", corrupt, by_hand(end(9, 1), trailer)),
        "bad-end-offset": (
            "The end says that it stands elsewhere.",
            corrupt,
            by_hand(end(8, 0), trailer),
        ),
        "bad-end-model": (
            "The end says where a model is that is not.",
            corrupt,
            by_hand(end(9, 0, 9, 0), trailer),
        ),
        "bad-end-many-groups": (
            "The end says 8,000,000 groups, and lists none.",
            corrupt,
            by_hand(end(9, 0, 0, 8_000_000), trailer),
        ),
        "bad-end-surplus": (
            "One byte too many in the end.",
            corrupt,
            by_hand((4, end(9, 0)[1] + b"\0"), b"\x13" + trailer[1:]),
        ),
        "bad-end-checksum-cut": (
            "An end of ten bytes.",
            corrupt,
            by_hand((4, end(9, 0)[1][:10]), trailer),
        ),
        "bad-trailer-length": (
            "The trailer says another length.",
            corrupt,
            GOOD_EMPTY[:-7] + b"\x13\0\0\0ML\x89",
        ),
        "bad-trailer-mark": ("Another end mark.", corrupt, GOOD_EMPTY[:-1] + b"\x88"),
    }


def _compact() -> dict[str, Spec]:
    corrupt, trailing, truncated = "CorruptError", "TrailingError", "TruncatedError"
    sixteen = [lm(4096, 10923, 65536)] * 16
    return {
        "bad-lone-bomb": (
            "A lone chunk of 65,537 bytes.",
            corrupt,
            lone(0x11, varint(65537) + SUM),
        ),
        "bad-lone-payload-bomb": (
            "A lone chunk with a payload of 65,537 bytes.",
            corrupt,
            lone(0x12, lm(65536, 20000, 65537)[1:]),
        ),
        "bad-lone-truncated": (
            "A lone chunk without its last byte.",
            truncated,
            lone(0x11, b"\5" + SUM, b"Hell"),
        ),
        "bad-lone-head-cut": (
            "A lone chunk, cut off in its head.",
            truncated,
            SIGNATURE + b"\x11\5" + SUM[:2],
        ),
        "bad-lone-crc": (
            "A lone chunk of another CRC-16.",
            corrupt,
            SIGNATURE + b"\x11\1" + SUM + b"\0\0x",
        ),
        "bad-lone-trailing": (
            "A lone chunk, then a byte.",
            trailing,
            lone(0x11, b"\1" + SUM, b"x") + b"y",
        ),
        "bad-compact-many": ("A table of 65,537 chunks.", corrupt, table(0x18, varint(65537), SUM)),
        "bad-compact-payload-bomb": (
            "A table with payloads of more than 1 MiB.",
            corrupt,
            table(0x1C, varint(65536) + b"\2\1", varint(17), *sixteen, lm(1, 1, 1)),
        ),
        "bad-compact-tokens": (
            "A chunk of 2,049 tokens where 2,048 are most.",
            corrupt,
            table(0x1A, b"\1", lm(9000, 2049, 900)[1:]),
        ),
        "bad-compact-learning-65": (
            "A table of 65 chunks that learn from each other.",
            corrupt,
            table(0x2A, varint(65), *[lm(4, 1, 0)[1:]] * 65),
        ),
        "bad-compact-model-cut": (
            "A compact member that ends within its model.",
            truncated,
            SIGNATURE + b"\x12" + lm(4, 1, 0)[1:] + b"\1\0\0",
        ),
        "bad-compact-checksum": (
            "A table without a file checksum: its CRC is not where it should be.",
            corrupt,
            table(0x19, b"\1", b"\1" + SUM, payload=b"xxxxx"),
        ),
        "bad-mark-cut": (
            "A lone chunk of version 3, cut off in its mark.",
            truncated,
            SIGNATURE + b"\x32\xd1",
        ),
        "unsupported-compact-model": (
            "A lone chunk of model code 9.",
            "UnsupportedError",
            lone(0x12, lm(4, 1, 0)[1:] + b"\x09" + bytes(6)),
        ),
    }
