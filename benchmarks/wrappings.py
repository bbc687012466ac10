"""The same text in wrappings that hide it: archives, binary data between, mails; and easy data."""

from __future__ import annotations

import base64
import io
import random
import tarfile
from collections.abc import Iterator, Sequence

Named = tuple[str, bytes]

_FORMATS = {"ustar": tarfile.USTAR_FORMAT, "pax": tarfile.PAX_FORMAT}


def wrapped(text: bytes) -> Iterator[Named]:
    """Yield parts of a text, joined and in wrappings, by names; the same for the same text."""
    noise = random.Random(1)
    thirds = _parts(text, 6, 2000, 4000)
    yield (
        "text and noise of 4 to 8 kB",
        b"".join(part + noise.randbytes(noise.randint(4000, 8000)) for part in thirds),
    )
    yield (
        "200 bytes of noise in each 900",
        b"".join(part + noise.randbytes(200) for part in _parts(text, 24, 700, 700)),
    )
    records = _parts(text, 40, 100, 500)
    yield (
        "records of 512 bytes, filled up with zeros",
        b"".join(part.ljust(512, b"\0") for part in records),
    )
    yield "mails with parts in base64", b"".join(map(_mail, _parts(text, 10, 900, 900)))
    yield "fields between bytes 1", text[:8000].replace(b" ", b"\x01")
    for n_files, least, most in ((60, 200, 700), (30, 1000, 2000)):
        parts = _parts(text, n_files, least, most)
        size = f"{n_files} texts of {least:,} to {most:,} bytes"
        yield f"{size}, joined", b"".join(parts)
        for form in _FORMATS:
            yield f"{size}, in a tar ({form})", archive(parts, form)


def easy() -> Iterator[Named]:
    """Yield data that costs next to nothing, or about which nothing can be known, by names."""
    noise = random.Random(2)
    yield "16 MiB of zeros", bytes(1 << 24)
    yield "5 MB of yes", b"y\n" * 2_500_000
    yield "a sentence, 10,000 times", b"The quick brown fox jumps over the lazy dog.\n" * 10_000
    yield "random 0 and 1", bytes(noise.choices(b"01", k=60_000))
    yield "random hexadecimal digits", noise.randbytes(20_000).hex().encode()
    yield "noise", noise.randbytes(100_000)


def archive(parts: Sequence[bytes], form: str) -> bytes:
    """Return an archive of files with these contents."""
    sink = io.BytesIO()
    times = random.Random(3)
    time = 1_700_000_000.0
    with tarfile.open(fileobj=sink, mode="w", format=_FORMATS[form]) as tar:
        for number, part in enumerate(parts):
            time += times.random() / 1000
            info = tarfile.TarInfo(f"notes/text{number:03}.txt")
            info.size, info.mtime = len(part), time if form == "pax" else int(time)
            tar.addfile(info, io.BytesIO(part))
    return sink.getvalue()


def _parts(text: bytes, n_parts: int, least: int, most: int) -> list[bytes]:
    """Return parts of a text that follow each other, from its beginning again at its end."""
    sizes = random.Random(n_parts)
    parts, at = [], 0
    for _ in range(n_parts):
        size = sizes.randint(least, most)
        at = at if at + size <= len(text) else 0
        parts.append(text[at : at + size])
        at += size
    return parts


def _mail(text: bytes) -> bytes:
    picture = base64.encodebytes(random.Random(text).randbytes(2500))
    head = b"From alice@example.org Thu Nov 26 18:00:00 2026\nSubject: a picture\n\n"
    return head + text + b"\n\n--part\nContent-Transfer-Encoding: base64\n\n" + picture + b"\n"
