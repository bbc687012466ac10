"""A short run of each fuzzer, the same inputs every time; scripts/fuzz runs longer ones."""

from __future__ import annotations

import io

import campaign
import container_fuzz
import decode_fuzz
import pytest
from codec_samples import chunks_of
from container_seeds import CONTAINER_SEEDS
from corpus import Saved, saved
from file_tree import dissect
from findings import FindingError
from mutator import Mutator

from llmzip.container import Kind, Reader
from llmzip.errors import CorruptError

SEED = 20


@pytest.mark.parametrize(("name", "count"), [("container", 2000), ("decode", 150)])
def test_no_input_breaks_a_promise(name: str, count: int) -> None:
    tally = campaign.run(name, SEED, count, jobs=1)
    assert tally.finding is None, tally.finding
    assert tally.n(signed=True) >= count // 2
    assert tally.n(signed=True) + tally.n(signed=False) == count
    good = {verdict for _, verdict in tally.verdicts} & {"taken", "decoded"}
    assert sum(tally.verdicts[True, verdict] for verdict in good) >= count // 20
    assert len({verdict for _, verdict in tally.verdicts}) >= 25


def kind_of(verdict: str) -> str:
    """Return the error's class, or taken or decoded: words may be changed."""
    return verdict.split(":")[0]


@pytest.mark.parametrize(
    "one",
    [*saved("container"), *saved("decode")],
    ids=lambda one: one.path.stem if isinstance(one, Saved) else str(one),
)
def test_the_corpus_gets_what_it_got(one: Saved) -> None:
    verdict = campaign.target(one.target).check(one.data, True)
    assert kind_of(verdict) == kind_of(one.verdict), verdict


def test_the_corpus_is_there_and_small() -> None:
    everything = [*saved("container"), *saved("decode")]
    assert len(everything) >= 70
    assert sum(one.path.stat().st_size for one in everything) < 200_000


def test_seeds_are_good_files() -> None:
    for file in CONTAINER_SEEDS:
        assert container_fuzz.check(file, measured=True) == "taken"
    for file in decode_fuzz.seeds():
        assert decode_fuzz.check(file) == "decoded"
    kinds = {chunk.kind for file in decode_fuzz.seeds() for chunk in chunks_of(file)}
    others = {Kind.LM_UTF_16LE, Kind.LM_KOI8_R, Kind.LAYOUT, Kind.TAR_HEADERS, Kind.COUNTED}
    assert kinds == {0, 1, 2, 4, 5, *others}


def test_a_mutant_follows_from_its_seed_and_number() -> None:
    mutator = Mutator(CONTAINER_SEEDS)
    first = [mutator.mutant(1, number) for number in range(50)]
    assert first == [Mutator(CONTAINER_SEEDS).mutant(1, number) for number in range(50)]
    assert first != [mutator.mutant(2, number) for number in range(50)]


@pytest.mark.parametrize("file", CONTAINER_SEEDS)
def test_what_is_bent_and_signed_passes_the_checks(file: bytes) -> None:
    """Another checksum of a chunk: every CRC is right again, so the reader takes it."""
    tree = dissect(file)
    for node in tree.walk():
        if type(node).__name__ == "Head":
            node.items[-1] = b"\0\1\2\3"
    bent = tree.pack()
    assert container_fuzz.check(bent) == "taken"
    assert (bent != file) == bool(chunks_of(file))


def test_a_limit_that_is_not_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmzip.container.limits.MAX_TOKENS_PER_BYTE", 1 << 20)
    found = campaign.run_block("container", SEED, range(3000)).finding
    assert found is not None
    assert "reader: taken; document: refused" in found[2]


def test_a_foreign_exception_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("nobody's business")

    monkeypatch.setattr("llmzip.container.reader.take_compact", broken)
    with pytest.raises(FindingError, match="KeyError"):
        container_fuzz.check(CONTAINER_SEEDS[1])


def test_wrong_bytes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that looks at no checksum: some input makes it give other bytes."""
    monkeypatch.setattr("llmzip.container.records.Chunk.verify", lambda *_: None)
    monkeypatch.setattr("llmzip.container.records.End.verify", lambda *_: None)
    (wrong,) = [one for one in saved("decode") if "lm: a chunk of N bytes fails" in one.verdict]
    with pytest.raises(FindingError):
        decode_fuzz.check(wrong.data)


def test_work_that_does_not_fit_the_size_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hoarding(_self: Reader) -> object:
        io.BytesIO(bytes(10 << 20))
        raise CorruptError("much memory for nothing")

    monkeypatch.setattr(Reader, "__iter__", hoarding)
    with pytest.raises(FindingError, match="bytes of memory"):
        container_fuzz._records(b"short", measured=True)
