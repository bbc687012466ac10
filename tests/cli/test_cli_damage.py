"""Damaged, cut off and padded files: what comes out, with which status, and what is said."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cli_runner import fails, llmzip, names_in, succeeds

import llmzip as library
from llmzip.cli import main
from llmzip.codec import encode_stream
from llmzip.codec.levels import LEVELS
from llmzip.container import Chunk, Writer
from llmzip.container.wire import frame
from llmzip.errors import TrailingError

noise = random.Random(11).randbytes
TEXT = noise(90)


def write(groups: Sequence[Sequence[Sequence[bytes]]]) -> bytes:
    """Return a file of stored chunks."""
    sink = io.BytesIO()
    writer = Writer(sink)
    for waves in groups:
        writer.group()
        for chunks in waves:
            writer.wave([Chunk.stored(data) for data in chunks], b"".join(chunks))
    writer.finish()
    return sink.getvalue()


PARTS = [TEXT[i : i + 9] for i in range(0, 90, 9)]
SEQUENCE = write([[PARTS[0:2], PARTS[2:3]], [PARTS[3:5]], [PARTS[5:7], PARTS[7:10]]])
FILES = {
    "lone": write([[[TEXT]]]),
    "piece": write([[PARTS]]),
    "sequence": SEQUENCE,
    "joined": SEQUENCE + write([[PARTS[:3]]]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.llmz"


@pytest.fixture
def refused(path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[[bytes], None]:
    """Return a check that a file is refused: a line, status 1, no output file."""

    def check(damaged: bytes) -> None:
        path.write_bytes(damaged)
        for command in ("decompress", "test", "list"):
            assert main([command, str(path)]) == 1
            said = capfd.readouterr()
            assert said.out == ""
            assert said.err.count("\n") == 1
            assert said.err.startswith(f"llmzip: {path}: ")
        assert names_in(path.parent) == ["x.llmz"]

    return check


@pytest.mark.parametrize("packed", FILES.values(), ids=FILES.keys())
def test_every_flipped_byte_is_refused(packed: bytes, refused: Callable[[bytes], None]) -> None:
    for at in range(len(packed)):
        refused(packed[:at] + bytes([packed[at] ^ (1 << at % 8)]) + packed[at + 1 :])


@pytest.mark.parametrize("packed", FILES.values(), ids=FILES.keys())
def test_every_cut_is_refused(packed: bytes, refused: Callable[[bytes], None]) -> None:
    for n_kept in range(len(packed)):
        if packed[:n_kept] != SEQUENCE:
            refused(packed[:n_kept])


def test_swapped_and_doubled_records_are_refused(refused: Callable[[bytes], None]) -> None:
    """All their CRCs are right; the index, or the checksum of the whole, says that they moved."""
    starts = [i for i in range(len(SEQUENCE)) if SEQUENCE.startswith(frame(2, b"\0"), i)]
    end = SEQUENCE.rindex(b"\x04", 0, -20)
    groups = [SEQUENCE[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)]
    head, tail = SEQUENCE[: starts[0]], SEQUENCE[end:]
    assert head + b"".join(groups) + tail == SEQUENCE
    for order in ((1, 0, 2), (0, 2, 1), (2, 1, 0), (0, 0, 1, 2), (0, 1), (0, 1, 2, 2), (0, 0, 2)):
        refused(head + b"".join(groups[i] for i in order) + tail)


@pytest.mark.parametrize("form", ["piece", "sequence"])
def test_swapped_and_doubled_chunks_under_right_crcs_are_refused(
    form: str, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever signs again cannot sign for the text: equal sizes hide it from all but that."""
    waves = [[PARTS[0:2], PARTS[2:3]], [PARTS[3:5]]] if form == "sequence" else [[PARTS[0:5]]]
    packed = write(waves)
    right = FileEnd.of(packed)
    for i, j in ((0, 1), (1, 2), (0, 4), (3, 4), (2, 2)):
        parts = PARTS[0:5]
        parts[i], parts[j] = (parts[j], parts[i]) if i != j else (parts[0], parts[0])
        moved = [[parts[0:2], parts[2:3]], [parts[3:5]]] if form == "sequence" else [[parts]]
        path.write_bytes(right.put_onto(write(moved)))
        assert main(["decompress", str(path)]) == 1
        said = capfd.readouterr()
        assert "fail the file's checksum" in said.err
        assert said.err.count("\n") == 1
        assert names_in(path.parent) == ["x.llmz"]


class FileEnd:
    """The file checksum of one file, to be signed into another of the same layout."""

    def __init__(self, checksum: bytes) -> None:
        self._checksum = checksum

    @classmethod
    def of(cls, packed: bytes) -> FileEnd:
        (member,) = library.inspect(io.BytesIO(packed))
        return cls(member.checksum)

    def put_onto(self, packed: bytes) -> bytes:
        (member,) = library.inspect(io.BytesIO(packed))
        forged = bytearray(packed.replace(member.checksum, self._checksum))
        if len(member.checksum) == 8:
            end = packed.rindex(b"\x04", 0, packed.index(member.checksum))
            n_body = packed[end + 1]
            forged[end:-7] = frame(4, bytes(forged[end + 2 : end + 2 + n_body]))
        else:
            from llmzip.container.wire import crc32

            at = packed.index(member.checksum) + 4
            forged[at : at + 4] = crc32(forged[3:at] + forged[at + 4 :])
        return bytes(forged)


def test_zeros_after_the_end_are_padding(path: Path) -> None:
    path.write_bytes(SEQUENCE + bytes(3000))
    assert succeeds(llmzip("decompress", "-c", path)) == TEXT
    assert succeeds(llmzip("-d", input=path.read_bytes())) == TEXT
    assert succeeds(llmzip("test", path)) == b""
    assert b"90" in succeeds(llmzip("list", path))
    succeeds(llmzip("decompress", "--rm", path))
    assert names_in(path.parent) == ["x"]
    assert library.decompress(SEQUENCE + bytes(3000)) == TEXT
    assert [m.n_bytes for m in library.inspect(io.BytesIO(SEQUENCE + bytes(3)))] == [90]


@pytest.mark.parametrize("form", ["lone", "sequence"])
@pytest.mark.parametrize("garbage", [b"garbage", b"\0\0\0x", bytes(200_000) + b"\1", b"\xff" * 9])
def test_other_data_after_the_end_is_told_once_the_text_is_out(
    path: Path, form: str, garbage: bytes
) -> None:
    path.write_bytes(FILES[form] + garbage)
    words = f"other data follows the end of the file at byte {len(FILES[form])}"
    result = llmzip("decompress", "--rm", path)
    fails(result, words, status=2)
    assert (path.parent / "x").read_bytes() == TEXT
    assert names_in(path.parent) == ["x", "x.llmz"]  # --rm keeps what was not all used
    for result in (llmzip("decompress", "-c", path), llmzip("-d", input=path.read_bytes())):
        assert (result.returncode, result.stdout) == (2, TEXT)
        assert words in result.stderr.decode()
    fails(llmzip("test", path), words, status=2)
    listed = llmzip("list", path)
    assert (listed.returncode, listed.stdout.count(b"\n")) == (2, 2)
    assert words in listed.stderr.decode()
    with pytest.raises(TrailingError, match=words):
        library.decompress(path.read_bytes())
    sink = io.BytesIO()
    with pytest.raises(TrailingError, match=words):
        library.Decompressor().decompress(io.BytesIO(path.read_bytes()), sink)
    assert sink.getvalue() == TEXT


def test_a_file_cut_off_delivers_its_whole_waves_from_a_file_as_from_a_pipe(path: Path) -> None:
    for n_kept, n_bytes in ((SEQUENCE.index(PARTS[2]), 18), (len(SEQUENCE) - 3, 90)):
        path.write_bytes(SEQUENCE[:n_kept])
        words = (f"{n_bytes} bytes before that are delivered", "cut off", "--recover")
        for result in (llmzip("decompress", "-c", path), llmzip("-d", input=SEQUENCE[:n_kept])):
            assert (result.returncode, result.stdout) == (1, TEXT[:n_bytes])
            assert result.stderr.count(b"\n") == 1
            for word in words:
                assert word in result.stderr.decode()
        fails(llmzip("decompress", path), "cut off", "--recover")
        assert names_in(path.parent) == ["x.llmz"]


def test_one_group_of_five_is_damaged_the_others_come_back(path: Path) -> None:
    """Groups of a mebibyte, as people have them, from a file and from a pipe."""
    text = noise(5 << 20)
    sink = io.BytesIO()
    encode_stream(io.BytesIO(text), sink, lambda: pytest.fail("no text"), LEVELS[1])
    damaged = bytearray(sink.getvalue())
    damaged[len(damaged) // 2] ^= 8
    path.write_bytes(damaged)
    fails(llmzip("decompress", path), "fails its checksum", "--recover")
    mark = b"\n[llmzip: 1,048,576 bytes lost: 2,097,152 to 3,145,727]\n"
    for result in (
        llmzip("decompress", "--recover", "-c", path),
        llmzip("-d", "--recover", input=bytes(damaged)),
    ):
        assert result.returncode == 1
        assert result.stdout == text[: 2 << 20] + mark + text[3 << 20 :]
        lines = result.stderr.decode().splitlines()
        assert len(lines) == 2
        assert "1,048,576 bytes lost: 2,097,152 to 3,145,727" in lines[0]
        assert "4,194,304 bytes recovered" in lines[1]
    result = llmzip("decompress", "--recover", path)
    assert result.returncode == 1
    assert (path.parent / "x").read_bytes() == text[: 2 << 20] + mark + text[3 << 20 :]


def test_recover_of_what_is_whole_is_quiet_and_of_nothing_an_error(path: Path) -> None:
    path.write_bytes(SEQUENCE)
    assert succeeds(llmzip("decompress", "--recover", "-c", path)) == TEXT
    fails(llmzip("decompress", "--recover", "--rm", path), "--rm")
    path.write_bytes(noise(4000))
    fails(llmzip("decompress", "--recover", path), "nothing of a .llmz file is found")
    assert names_in(path.parent) == ["x.llmz"]
    path.write_bytes(SEQUENCE + b"garbage")
    result = llmzip("decompress", "--recover", "-c", path)
    assert (result.returncode, result.stdout) == (2, TEXT)


def test_test_goes_on_and_returns_the_worst(path: Path) -> None:
    good, bad = path.with_name("good.llmz"), path.with_name("bad.llmz")
    good.write_bytes(SEQUENCE)
    bad.write_bytes(SEQUENCE[:-1] + b"?")
    assert succeeds(llmzip("test", good, good)) == b""
    assert b"good.llmz: OK" in llmzip("test", "-v", good).stderr
    fails(llmzip("test", bad, good), "bad.llmz")
    assert succeeds(llmzip("-t", input=SEQUENCE)) == b""
    assert succeeds(llmzip("-t", good)) == b""
    fails(llmzip("test", input=SEQUENCE[:40]), "standard input")
    assert names_in(path.parent) == ["bad.llmz", "good.llmz"]


def test_with_a_model_every_cut_and_flip_is_refused(
    tiny_llama_folder: Path,
    path: Path,
    refused: Callable[[bytes], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("LLMZIP_HOME", str(tmp_path_factory.mktemp("home")))
    text = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]
    for level in (1, 5):
        packed = library.compress(text, model=str(tiny_llama_folder), level=level, chunk_tokens=60)
        assert library.decompress(packed) == text
        for at in range(0, len(packed), 31):
            refused(packed[:at] + bytes([packed[at] ^ 16]) + packed[at + 1 :])
            refused(packed[:at])
        damaged = packed[:-3] + bytes([packed[-3] ^ 1]) + packed[-2:]
        sink = io.BytesIO()
        decompressor = library.Decompressor()
        recovery = decompressor.recover(io.BytesIO(damaged), sink)
        assert not recovery.is_whole
        if level == 1:
            assert recovery.n_bytes >= 250
            assert sink.getvalue()[: recovery.n_bytes] == text[: recovery.n_bytes]
