"""What files cost that were made to cost much: `python -m benchmarks.hostile`.

Each is built and given to llmzip in a process of its own, whose exit status, processor time and
peak memory are printed. Only the last needs a model, the default one, and would keep it busy for
hours: all are ended after a minute, when that one has all the memory that it will take.
"""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmzip.api import compress as compress_text
from llmzip.codec.classical import compress_lzma
from llmzip.codec.layouts import layout_chunk
from llmzip.container import (
    Chunk,
    End,
    FileChecksum,
    GroupEntry,
    Kind,
    ModelRef,
    Options,
    Reader,
    Writer,
    bodies,
)
from llmzip.container.limits import END_MARK, SIGNATURE
from llmzip.container.wire import crc32, frame, varint
from llmzip.layout.program import MAX_OPS, Copy, Fill, Layout
from llmzip.mixing import compress as compress_mixed

NO_SUM = bytes(4)
LIMIT_S = 60


def sequence(
    waves: Sequence[Sequence[Chunk]], checksum: bytes = bytes(8), form: int = 0x10
) -> bytes:
    """Return a member of one group of such waves."""
    out = bytearray(SIGNATURE + frame(form, b""))
    if form == 0x20:
        out += frame(bodies.TAG_MODEL, b"\x01" + bytes(6))
    model_offset = 0 if form == 0x10 else len(SIGNATURE + frame(form, b""))
    start = len(out)
    out += frame(bodies.TAG_GROUP, b"\0")
    for wave in waves:
        payload = b"".join(chunk.payload for chunk in wave)
        out += frame(bodies.TAG_WAVE, bodies.pack_wave(wave)) + payload + crc32(payload)
    n_bytes = sum(chunk.n_bytes for wave in waves for chunk in wave)
    end = End(n_bytes, checksum, (GroupEntry(start, n_bytes),), model_offset)
    return bytes(out) + _ended(bodies.pack_end(end, len(out)))


def _ended(body: bytes) -> bytes:
    record = frame(bodies.TAG_END, body)
    return record + len(record).to_bytes(4, "little") + END_MARK


def of_repeats(unit: bytes, n_chunks: int, chunk: Chunk) -> bytes:
    """Return a file of `n_chunks` times the same chunk, four to a wave, its checksums right."""
    whole = FileChecksum()
    for _ in range(n_chunks):
        whole.update(unit)
    most = min(4, n_chunks) if len(unit) > 1024 else 1 << 16
    waves = [[chunk] * min(most, n_chunks - i) for i in range(0, n_chunks, most)]
    return sequence(waves, whole.digest())


def hostile_files() -> Iterator[tuple[str, str, bytes]]:
    """Yield what to call each file, the verb to try it with, and the file."""
    n_groups = 8_000_000
    claim = varint(9) + varint(0) + bytes(8) + varint(0) + varint(n_groups) + bytes(2 * n_groups)
    index = SIGNATURE + frame(0x10, b"") + _ended(claim)
    yield "8,000,000 groups that are not there", "list", index
    ones = b"\xff" * (1 << 24)
    yield "64 MiB of 0xFF, no payload", "decompress", of_repeats(ones, 4, Chunk.mixed(ones, b""))
    pair = next(pair for pair in (bytes([i, 0xFF]) for i in range(255)) if len(_mixed(pair)) == 1)
    tiny = Chunk.mixed(pair, _mixed(pair))
    yield "65,536 mixed chunks of 2 bytes", "decompress", of_repeats(pair, 1 << 16, tiny)
    lm = Chunk(Kind.LM, 1 << 20, 1 << 16, NO_SUM, b"")
    yield "4,194,304 tokens in no bytes", "decompress", sequence([[lm] * 64], form=0x20)
    zeros = bytes(1 << 24)
    lzma = Chunk.lzma(zeros, compress_lzma(zeros))
    yield "1 GiB of zeros as LZMA", "decompress", of_repeats(zeros, 64, lzma)
    yield (
        "17 waves of 64 MiB, no payload",
        "decompress",
        sequence([[Chunk(Kind.MIXED, 1 << 24, 0, NO_SUM, b"")] * 4] * 17),
    )
    lone = SIGNATURE + bytes([0x11, 1]) + Chunk.stored(b"a").checksum
    yield "300,000 members of 12 bytes", "list", (lone + _crc16(lone[3:] + b"a") + b"a") * 300_000
    yield from hostile_layouts()
    yield "64 chunks of 65,536 tokens, the widest window", "decompress", _many_tokens()


def hostile_layouts() -> Iterator[tuple[str, str, bytes]]:
    """Yield files of groups with layouts: much text, many ops, long programs."""
    run = Layout((), (Fill(0, 1 << 26),))
    yield "1 GiB of zeros as runs", "decompress", of_layouts([(run, bytes(1 << 26))] * 16)
    again = Layout((), (Copy(1 << 26, 1 << 26),))
    texts = [(run, bytes(1 << 26)), *[(again, bytes(1 << 26))] * 15]
    yield "1 GiB of zeros as copies from the group before", "decompress", of_layouts(texts)
    small = Layout((), (Fill(0, 1),) * 1360)
    yield (
        "500 layouts of 1,360 ops each, mixed",
        "decompress",
        of_layouts([(small, bytes(1360))] * 500),
    )
    most = Layout((), (Fill(0, 1),) * MAX_OPS)
    yield "262,144 ops, stored", "decompress", of_layouts([(most, bytes(MAX_OPS))])


def of_layouts(groups: Sequence[tuple[Layout, bytes]]) -> bytes:
    """Return a file of groups that are nothing but layouts."""
    sink = io.BytesIO()
    writer = Writer(sink)
    chunks: dict[tuple[int, int], Chunk] = {}
    for layout, text in groups:
        key = id(layout), len(text)
        if key not in chunks:
            chunks[key] = layout_chunk(layout, text)
        writer.group(text=text)
        writer.wave([chunks[key]], b"")
    writer.finish()
    return sink.getvalue()


def _many_tokens() -> bytes:
    """Return a file whose chunks are as long, and as many side by side, as can be."""
    packed = compress_text(b"A text that the default model codes best of all. " * 3)
    (ref,) = (one for one in Reader(io.BytesIO(packed)) if isinstance(one, ModelRef))
    sink, data = io.BytesIO(), bytes(1 << 20)
    writer = Writer(sink, Options(1 << 16, 2048, 256, adaptive=True))
    writer.model(ref)
    writer.group()
    chunk = Chunk(Kind.LM, len(data), 1 << 16, Chunk.stored(data).checksum, random.randbytes(16))
    writer.wave([chunk] * 64, data * 64)
    writer.finish()
    return sink.getvalue()


def _mixed(data: bytes) -> bytes:
    payload = compress_mixed(data, len(data) + 100)
    assert payload is not None
    return payload


def _crc16(guarded: bytes) -> bytes:
    import binascii

    return binascii.crc_hqx(guarded, 0xFFFF).to_bytes(2, "little")


def main() -> None:
    """Print a row a file."""
    print("| file | bytes | verb | status | CPU s | peak MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, verb, data in hostile_files():
            path = Path(folder) / "hostile.llmz"
            path.write_bytes(data)
            arguments = [verb, str(path)] if verb == "list" else [verb, "-c", str(path)]
            code = (
                "import resource, subprocess, sys\n"
                "running = subprocess.Popen(sys.argv[2:], stdout=-3, stderr=-3)\n"
                "try: status = running.wait(float(sys.argv[1]))\n"
                "except subprocess.TimeoutExpired:\n"
                "    running.terminate(); status = running.wait()\n"
                "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
                "print(status, used.ru_maxrss, used.ru_utime + used.ru_stime)"
            )
            llmzip_command = [sys.executable, "-m", "llmzip", *arguments]
            command = [sys.executable, "-c", code, str(LIMIT_S), *llmzip_command]
            found = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()
            peak_mb = int(found[1]) * 1024 / 1e6  # KiB on Linux
            cells = (name, f"{len(data):,}", verb, int(found[0]), f"{float(found[2]):.1f}")
            print("| " + " | ".join(map(str, (*cells, f"{peak_mb:.0f}"))) + " |")


if __name__ == "__main__":
    main()
