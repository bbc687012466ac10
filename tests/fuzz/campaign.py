"""Runs a fuzzer over many inputs, counts verdicts, and stops at the first finding.

    scripts/fuzz container --count 1000000 --seed 1 --jobs 2
    scripts/fuzz decode --count 20000 --seed 1
    scripts/fuzz replay container FILE...
    scripts/fuzz corpus container --count 100000    saves the shortest input of each verdict

An input follows from the seed and its number alone. A finding is written into a file, which
`replay` reads. Exit status: 0 if all went well, 1 with a finding.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import rooms
from corpus import Saved, saved
from findings import FindingError
from mutator import Mutator

BLOCK = 500
"""Inputs that a process deals with at a time."""
MEASURED_EVERY = 64
"""One input in so many has its calls and memory counted."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed. check: takes the bytes and whether to measure, returns a verdict."""

    mutator: Mutator
    check: Callable[[bytes, bool], str]


@dataclass
class Tally:
    """What became of some inputs. verdicts: by whether they were signed, and by their words."""

    verdicts: Counter[tuple[bool, str]] = field(default_factory=Counter)
    finding: tuple[int, bytes, str] | None = None

    def add(self, other: Tally) -> None:
        self.verdicts += other.verdicts
        self.finding = self.finding or other.finding

    def n(self, *, signed: bool) -> int:
        return sum(n for (is_signed, _), n in self.verdicts.items() if is_signed == signed)


@cache
def target(name: str) -> Target:
    """Return what goes by that name: container or decode."""
    if name == "container":
        import container_fuzz
        from container_seeds import CONTAINER_SEEDS

        return Target(
            Mutator(CONTAINER_SEEDS),
            lambda data, measured: container_fuzz.check(data, measured=measured),
        )
    import decode_fuzz

    return Target(
        Mutator(decode_fuzz.seeds(), decode_fuzz.sign_texts),
        lambda data, _: decode_fuzz.check(data),
    )


def run_block(name: str, seed: int, numbers: range) -> Tally:
    """Deal with some inputs, up to the first finding."""
    one, tally = target(name), Tally()
    for number in numbers:
        mutant = one.mutator.mutant(seed, number)
        try:
            verdict = one.check(mutant.data, number % MEASURED_EVERY == 0)
        except FindingError as exc:
            tally.finding = number, mutant.data, str(exc)
            return tally
        tally.verdicts[mutant.is_signed, without_numbers(verdict)] += 1
    return tally


def without_numbers(verdict: str) -> str:
    """Return a verdict with N for every number, so that like ones are counted together."""
    return re.sub(r"\d+", "N", verdict)


def run(name: str, seed: int, count: int, jobs: int) -> Tally:
    """Deal with inputs 0 to count - 1 in `jobs` processes."""
    tally = Tally()
    blocks = [range(at, min(at + BLOCK, count)) for at in range(0, count, BLOCK)]
    for done in _in_order(partial(run_block, name, seed), blocks, jobs):
        tally.add(done)
        if tally.finding is not None:
            break
    return tally


def _in_order(work: Callable[[range], Tally], blocks: list[range], jobs: int) -> Iterator[Tally]:
    if jobs == 1:
        yield from map(work, blocks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(work, blocks)
        pool.shutdown(cancel_futures=True)


def replay(name: str, paths: list[Path]) -> int:
    """Check saved inputs; return the exit status."""
    status = 0
    for path in paths:
        try:
            print(f"{path}: {target(name).check(path.read_bytes(), True)}")
        except FindingError as exc:
            print(f"{path}: FINDING: {exc}")
            status = 1
    return status


def collect(name: str, seed: int, count: int) -> int:
    """Save the shortest input of each verdict that the corpus lacks; return the exit status."""
    known = {one.verdict for one in saved(name)}
    shortest: dict[str, bytes] = {}
    one = target(name)
    for number in range(count):
        data = one.mutator.mutant(seed, number).data
        verdict = without_numbers(one.check(data, False))
        if verdict not in known and len(data) < len(shortest.get(verdict, data + b" ")):
            shortest[verdict] = data
    for verdict, data in shortest.items():
        Saved(name, verdict, data).save()
        print(f"{len(data):6} bytes  {verdict}")
    return 0


def report(tally: Tally, name: str, seed: int, seconds: float) -> int:
    """Print what was found, save a finding; return the exit status."""
    n_raw, n_signed = tally.n(signed=False), tally.n(signed=True)
    total = n_raw + n_signed
    print(f"{name}, seed {seed}: {total} inputs ({n_raw} raw, {n_signed} signed again)")
    print(f"{seconds:.0f} s, {1000 * seconds / max(total, 1):.2f} ms an input")
    print("     raw   signed  verdict")
    words = Counter[str]()
    for (_, verdict), n in tally.verdicts.items():
        words[verdict] += n
    for verdict, _ in words.most_common():
        raw, signed = (tally.verdicts[is_signed, verdict] for is_signed in (False, True))
        print(f"{raw:8} {signed:8}  {verdict[:110]}")
    if tally.finding is None:
        print("nothing found")
        return 0
    number, data, words_found = tally.finding
    path = Path(f"finding-{name}-{seed}-{number}.bin")
    path.write_bytes(data)
    print(f"FINDING in input {number}, saved as {path}: {words_found}")
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name in ("container", "decode"):
        verb = verbs.add_parser(name)
        verb.add_argument("--count", type=int, default=100_000 if name == "container" else 2_000)
        verb.add_argument("--seed", type=int, default=1)
        verb.add_argument("--jobs", type=int, default=1, help="processes")
    again = verbs.add_parser("replay")
    again.add_argument("target", choices=["container", "decode"])
    again.add_argument("files", type=Path, nargs="+")
    more = verbs.add_parser("corpus")
    more.add_argument("target", choices=["container", "decode"])
    more.add_argument("--count", type=int, default=20_000)
    more.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.verb == "replay":
        return replay(given.target, given.files)
    if given.verb == "corpus":
        return collect(given.target, given.seed, given.count)
    begin_s = time.monotonic()
    tally = run(given.verb, given.seed, given.count, given.jobs)
    return report(tally, given.verb, given.seed, time.monotonic() - begin_s)


if __name__ == "__main__":
    assert rooms.TESTS.is_dir()
    sys.exit(main())
