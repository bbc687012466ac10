"""A run over many files: units are given ahead of the files' turns.

Files take their turns in order, as they do where one process deals with them; only the work is
done by then. How much is ahead of the turn is bounded, whatever there is to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from llmzip.codec.many import BATCH_TEXTS
from llmzip.codec.parts import EncodedPart
from llmzip.container import End, Reference
from llmzip.errors import LlmzipError
from llmzip.spread.cutting import Batch, Cutter, InputFile
from llmzip.spread.dealer import Counts, Dealer
from llmzip.spread.manifest import Manifest
from llmzip.spread.pool import Pool, WorkersLostError
from llmzip.spread.units import (
    Failed,
    Made,
    MadeFiles,
    MadeText,
    OneGroup,
    Result,
    Unit,
    WholeFiles,
    n_bytes_of,
)

AHEAD_BYTES = 1 << 28
AHEAD_BYTES_EACH = 1 << 24
"""No further unit is begun while so much, as n_bytes_of counts, is given or waits for its turn:
the first in all, or the second for each worker, if that is more."""

_FILES_LOOKED_AT = 2 * BATCH_TEXTS
"""So many further files at most are looked at to fill a batch that is wanted now."""

Look = Callable[[int], InputFile | None]
"""Returns the file of a number, in the order of numbers; None where it is dealt with alone."""


@dataclass(frozen=True)
class Groups:
    """The units of a large file.

    end: what their text must come to, where they are decoded. reference: what they may copy from,
        where they are encoded. are_open: of each whether it may copy from those before, where they
        are decoded.
    """

    units: tuple[int, ...]
    state_n_bytes: int
    end: End | None
    reference: Reference | None = None
    are_open: tuple[bool, ...] = ()


@dataclass
class _Pending:
    """A unit that was given. files: whose it is; n_wanted: how many of them still ask for it."""

    files: tuple[int, ...]
    n_bytes: int
    n_input_bytes: int
    n_wanted: int
    unit: Unit
    keys: list[str] = field(default_factory=list)


class Run:
    """The work on `n_files` files, by the workers of `pool`.

    look: called for each file once, in order, ahead of its turn.
    manifest: what earlier runs have done, and where this one keeps what it does.
    on_step: called whenever something may have changed: see n_bytes_done and ahead.
    """

    def __init__(
        self,
        pool: Pool,
        n_files: int,
        look: Look,
        cutter: Cutter,
        *,
        replace: bool = False,
        manifest: Manifest | None = None,
        ahead_bytes: int | None = None,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._dealer = Dealer(pool)
        self._n_files = n_files
        self._look = look
        self._cutter = cutter
        self._replace = replace
        self._manifest = manifest
        self._most_ahead = ahead_bytes
        self._on_step = on_step
        self._n_seen = 0
        self._n_units = 0
        self._n_ahead = 0
        self._batch: Batch | None = None
        self._batches: dict[int, tuple[int, int]] = {}
        self._groups: dict[int, Groups] = {}
        self._planned: deque[tuple[int, Unit]] = deque()
        self._pending: dict[int, _Pending] = {}
        self._results: dict[int, Result] = {}
        self._keys: dict[int, list[str]] = {}
        self._credits: dict[int, list[float]] = {}

    @property
    def counts(self) -> Counts:
        """What workers have done."""
        return self._dealer.counts

    def made(self, number: int) -> Made | None:
        """Return what was made of a small file, in its turn; None: deal with it alone.

        Raises WorkersLostError.
        """
        self._plan_until(number)
        if number not in self._batches:
            return None
        unit, place = self._batches.pop(number)
        result = self._result(unit)
        if isinstance(result, Failed) and isinstance(result.error, WorkersLostError):
            raise result.error  # what has ended workers would end this process, too
        return result.files[place] if isinstance(result, MadeFiles) else None

    def groups(self, number: int) -> Groups | None:
        """Return the units of a large file, in its turn; None of another one."""
        self._plan_until(number)
        return self._groups.pop(number, None)

    def part(self, unit: int) -> EncodedPart | MadeText:
        """Return what was made of a group. Raises what was raised instead; WorkersLostError."""
        result = self._result(unit)
        if isinstance(result, Failed):
            raise result.error
        assert isinstance(result, EncodedPart | MadeText)
        return result

    def end(self, number: int) -> None:
        """Note that a file's turn is over, well or not: what is there of it goes."""
        self._credits.pop(number, None)
        if self._manifest is not None:
            self._manifest.drop(self._keys.pop(number, ()))

    def n_bytes_done(self, number: int) -> int:
        """Return how many bytes of a file's original are done."""
        begun = sum(
            n_bytes
            for unit, n_bytes in self._dealer.begun()
            if self._pending[unit].files == (number,)
        )
        return int(self._credits.get(number, [0, 0])[1]) + begun

    def ahead(self, but: int | None = None) -> tuple[float, int]:
        """Return what is done of files whose turn is not over, `but` left out.

        First in bytes of the input files, then in bytes of their originals.
        """
        others = [sums for number, sums in self._credits.items() if number != but]
        units, n_bytes = sum(one[0] for one in others), sum(one[1] for one in others)
        for unit, n_done in self._dealer.begun():
            pending = self._pending[unit]
            if pending.files != (but,):
                units += pending.n_input_bytes * min(1.0, n_done / pending.n_bytes)
                n_bytes += n_done
        return units, int(n_bytes)

    def _result(self, unit: int) -> Result:
        if self._batch is not None and self._batch.number == unit:
            self._fill_batch(self._batch)
        self._give_now(unit)
        while unit not in self._results:
            self._step()
        pending = self._pending[unit]
        pending.n_wanted -= 1
        if pending.n_wanted:
            return self._results[unit]
        self._n_ahead -= pending.n_bytes
        del self._pending[unit]
        return self._results.pop(unit)

    def _step(self) -> None:
        while self._dealer.wants_more and self._give_next():
            pass
        for number, result in self._dealer.step():
            self._keep(number, result)
        self._on_step()

    def _keep(self, number: int, result: Result) -> None:
        if self._manifest is not None:
            self._note(self._manifest, self._pending[number], result)
        self._have(number, result)

    def _note(self, manifest: Manifest, pending: _Pending, result: Result) -> None:
        """Note what is done: what workers have written is, the rest is kept until it is."""
        if not isinstance(result, MadeFiles) or not isinstance(pending.unit, WholeFiles):
            manifest.keep(pending.keys, result)
            return
        unit = pending.unit
        for span, target, one in zip(unit.spans, unit.targets, result.files, strict=True):
            if target is not None and one is not None and one.data is None:
                manifest.finish(target, span.state, one.digest)
        if any(one is not None and one.data is not None for one in result.files):
            manifest.keep(pending.keys, result)

    def _have(self, number: int, result: Result) -> None:
        self._results[number] = result
        pending = self._pending[number]
        for file, n_bytes in zip(pending.files, _original_bytes(pending, result), strict=True):
            sums = self._credits.setdefault(file, [0.0, 0.0])
            sums[0] += pending.n_input_bytes / len(pending.files)
            sums[1] += n_bytes

    def _give_next(self) -> bool:
        """Give the next unit to the dealer; return False where there is none, or too much ahead."""
        if self._n_ahead >= self._most_bytes_ahead():
            return False
        while not self._planned:
            if self._n_seen == self._n_files:
                self._close_batch()
                if not self._planned:
                    self._dealer.is_drained = True
                    return False
            else:
                self._plan_next()
        number, unit = self._planned.popleft()
        self._give(number, unit)
        return True

    def _most_bytes_ahead(self) -> int:
        if self._most_ahead is not None:
            return self._most_ahead
        return max(AHEAD_BYTES, AHEAD_BYTES_EACH * self._dealer.n_workers)

    def _give_now(self, number: int) -> None:
        """Give a unit whose turn has come, however much is ahead, if that has not been done."""
        for waiting in self._planned:
            if waiting[0] == number:
                self._planned.remove(waiting)
                self._give(*waiting)
                return

    def _give(self, number: int, unit: Unit) -> None:
        pending = self._pending[number]
        self._n_ahead += pending.n_bytes
        try:
            unit = self._cutter.prepared(unit) if isinstance(unit, OneGroup) else unit
        except (LlmzipError, OSError) as exc:
            self._have(number, Failed(exc))
            return
        if (found := self._found(pending, unit)) is not None:
            self._have(number, found)
        else:
            self._dealer.add(number, unit)

    def _found(self, pending: _Pending, unit: Unit) -> Result | None:
        """Return the result of a group that an earlier run has kept. Small files have had that."""
        if self._manifest is None or not isinstance(unit, OneGroup):
            return None
        with suppress(LlmzipError, OSError):  # whoever is to do it will say
            pending.keys = [self._manifest.key(unit.spans[0], unit.part, unit.copies)]
            self._keys.setdefault(pending.files[0], []).extend(pending.keys)
            return self._manifest.part(pending.keys[0])
        return None

    def _plan_until(self, number: int) -> None:
        while self._n_seen <= number:
            self._plan_next()

    def _plan_next(self) -> None:
        number, self._n_seen = self._n_seen, self._n_seen + 1
        with suppress(LlmzipError, OSError):  # comes up again, in its turn
            file = self._look(number)
            if file is None:
                return
            cut = self._cutter.cut(file)
            if cut is None:
                self._add_small(number, file)
                return
            units = tuple(self._announce((number,), unit) for unit in cut.groups)
            are_open = tuple(unit.part is not None and unit.part.is_open for unit in cut.groups)
            self._groups[number] = Groups(
                units, file.state.n_bytes, cut.end, cut.reference, are_open
            )

    def _add_small(self, number: int, file: InputFile) -> None:
        if self._manifest is not None:
            key = self._manifest.key(file.span)
            self._keys[number] = [key]
            if (found := self._manifest.part(key)) is not None:
                self._add_found(number, file, found)
                return
        if self._batch is not None and not self._batch.takes(file):
            self._close_batch()
        if self._batch is None:
            self._batch = Batch(self._n_units)
            self._n_units += 1
        self._batches[number] = self._batch.number, len(self._batch.files)
        self._batch.add(number, file)

    def _add_found(self, number: int, file: InputFile, result: Result) -> None:
        """Take a small file whose result an earlier run has kept."""
        batch = Batch(self._n_units)
        batch.add(number, file)
        self._announce((number,), batch.unit(self._replace))
        self._planned.pop()
        self._batches[number] = batch.number, 0
        self._n_ahead += self._pending[batch.number].n_bytes
        self._have(batch.number, result)

    def _fill_batch(self, batch: Batch) -> None:
        """Close a batch whose turn has come, having looked for what else goes into it."""
        for _ in range(_FILES_LOOKED_AT):
            if self._batch is not batch or self._n_seen == self._n_files:
                break
            self._plan_next()
        if self._batch is batch:
            self._close_batch()

    def _close_batch(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            self._announce(tuple(batch.files), batch.unit(self._replace), batch.number)

    def _announce(self, files: tuple[int, ...], unit: Unit, number: int | None = None) -> int:
        if number is None:
            number, self._n_units = self._n_units, self._n_units + 1
        n_input_bytes = sum(span.n_bytes for span in unit.spans)
        pending = _Pending(files, n_bytes_of(unit), n_input_bytes, len(files), unit)
        if isinstance(unit, WholeFiles):
            pending.keys = [key for file in files for key in self._keys.get(file, ())]
        self._pending[number] = pending
        self._planned.append((number, unit))
        return number


def _original_bytes(pending: _Pending, result: Result) -> Iterator[int]:
    """Yield how many bytes of its original each file of a unit has been given."""
    match result:
        case MadeFiles():
            yield from (0 if one is None else one.stats.n_bytes for one in result.files)
        case EncodedPart() | MadeText():
            yield result.stats.n_bytes
        case Failed():
            yield from (0 for _ in pending.files)
