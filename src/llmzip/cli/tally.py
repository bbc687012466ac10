"""How far the work on all the files is, and the line that says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

SPEED_PERIOD_S = 120
"""Speed is the mean over this time: on a slow machine chunks come seldom, and several at once."""
_LEAST_LABEL, _MOST_LABEL, _LEAST_BAR, _MOST_BAR = 10, 30, 6, 20
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class _Sample:
    """What was done at a time: bytes of originals, and units."""

    time_s: float
    n_bytes: int
    n_units: float


class Tally:
    """Counts files and bytes. Times are those of a clock that never goes back.

    What is done is measured in units: of a single file the bytes of its original; of several
    those of the input files, for they are known before the work begins.
    sizes: of the input files, None where that is not known.
    """

    def __init__(self, sizes: Sequence[int | None]) -> None:
        self.n_files = len(sizes)
        self.n_ended = 0
        self.label = ""
        self.stage = ""
        self.n_units: float | None = None
        if len(sizes) > 1 and None not in sizes:
            self.n_units = float(sum(size or 0 for size in sizes))
        self._ended_units = 0.0
        self._ended_bytes = self._ended_file_bytes = 0
        self._ahead_units = 0.0
        self._ahead_bytes = 0
        self._size: int | None = None
        self._total_bytes: int | None = None
        self._n_bytes = 0
        self._samples: deque[_Sample] = deque()

    def begin(self, label: str, size: int | None, total_bytes: int | None) -> None:
        """Begin a file of `size` bytes, whose original is expected to have `total_bytes`."""
        self.label, self._size, self._total_bytes, self._n_bytes = label, size, total_bytes, 0
        if self.n_files == 1 and total_bytes is not None:
            self.n_units = float(total_bytes)

    def wait(self, stage: str) -> None:
        """Note what takes its time before the work begins; speed counts from its end on."""
        self.stage = stage
        self._samples.clear()

    def update(self, n_bytes: int, now_s: float) -> None:
        """Note that so many bytes of the file's original have been dealt with."""
        self.stage, self._n_bytes = "", n_bytes
        self._sample(now_s)

    def _sample(self, now_s: float) -> None:
        n_bytes = self._ended_bytes + self._ahead_bytes + self._n_bytes
        self._samples.append(_Sample(now_s, n_bytes, self.done))
        while len(self._samples) > 2 and now_s - self._samples[0].time_s > SPEED_PERIOD_S:
            self._samples.popleft()

    def update_ahead(self, size: int, n_bytes: int, n_all: int, now_s: float) -> None:
        """Note how far several files are that are dealt with before the turn of each.

        size: of these files together. n_bytes: of their originals, out of `n_all`, are done.
        """
        self.stage = ""
        self._ahead_units = size * n_bytes / n_all if n_all else 0.0
        self._ahead_bytes = n_bytes
        self._sample(now_s)

    def note_ahead(self, n_units: float, n_bytes: int, now_s: float) -> None:
        """Note how much is done of all files but those that have ended and the one begun."""
        if n_bytes:
            self.stage = ""
        if (n_units, n_bytes) != (self._ahead_units, self._ahead_bytes):
            self._ahead_units, self._ahead_bytes = n_units, n_bytes
            self._sample(now_s)

    def take(self, size: int) -> None:
        """Note that the turn of one of those files has come, of `size` bytes; it ends at once."""
        share = min(1.0, size / self._ahead_units) if self._ahead_units else 0.0
        self._ahead_units -= share * self._ahead_units
        self._ahead_bytes -= round(share * self._ahead_bytes)

    def end(self, size: int | None, n_bytes: int, n_file_bytes: int, now_s: float) -> None:
        """Note the end of a file of `size` bytes: those of its original and of the .llmz file."""
        self.n_ended += 1
        self._n_bytes = 0
        self._ended_units += size or 0
        self._ended_bytes += n_bytes
        self._ended_file_bytes += n_file_bytes
        if self.n_files > 1:
            self._sample(now_s)

    @property
    def done(self) -> float:
        """How many units are done."""
        if self.n_files == 1:
            return self._n_bytes
        share = self._n_bytes / self._total_bytes if self._total_bytes else 0.0
        own = min(1.0, share) * (self._size or 0)
        return self._ended_units + self._ahead_units + own

    @property
    def ratio(self) -> float | None:
        """The size of .llmz files over that of their originals, of files that are done."""
        return self._ended_file_bytes / self._ended_bytes if self._ended_bytes else None

    def speed(self) -> float | None:
        """Return how many bytes of originals are dealt with in a second; None if unknown."""
        first, last = self._first_and_last()
        return (last.n_bytes - first.n_bytes) / (last.time_s - first.time_s) if last else None

    def seconds_left(self, now_s: float) -> float | None:
        """Return how long the rest will take; None if that is not known."""
        first, last = self._first_and_last()
        if self.n_units is None or last is None or last.n_units <= first.n_units:
            return None
        rate = (last.n_units - first.n_units) / (last.time_s - first.time_s)
        return max(0.0, (self.n_units - last.n_units) / rate - (now_s - last.time_s))

    def _first_and_last(self) -> tuple[_Sample, _Sample | None]:
        """Return the samples between which time has passed and bytes have come, or else None."""
        if len(self._samples) < 2:
            return _Sample(0, 0, 0), None
        first, last = self._samples[0], self._samples[-1]
        moved = last.time_s > first.time_s and last.n_bytes > first.n_bytes
        return first, last if moved else None


def line(tally: Tally, width: int, now_s: float) -> str:
    """Return all of it on one line of at most `width` columns; what does not fit is left out."""
    figures = _figures(tally, now_s)
    for name in ("ratio", "speed", "bytes", "left", "files"):
        if sum(map(len, figures.values())) + 2 * len(figures) + _LEAST_LABEL <= width:
            break
        figures.pop(name, None)
    end = "".join(f"  {text}" for text in figures.values())
    room = width - len(end)
    label = _shortened(tally.label, min(_MOST_LABEL, room))
    n_bar = min(_MOST_BAR, room - len(label) - 4)
    if tally.n_units and n_bar >= _LEAST_BAR:
        n_full = int(n_bar * min(1.0, tally.done / tally.n_units))
        label += f"  [{'#' * n_full}{'-' * (n_bar - n_full)}]"
    return (label + end)[: max(0, width)]


def _figures(tally: Tally, now_s: float) -> dict[str, str]:
    """Return what there is to say, in the order in which it stands."""
    figures: dict[str, str] = {}
    if tally.n_files > 1:
        figures["files"] = f"{tally.n_ended}/{tally.n_files} files"
    if tally.stage:
        return {**figures, "stage": tally.stage}
    figures["bytes"] = _amount(tally.done, tally.n_units)
    if (speed := tally.speed()) is not None:
        figures["speed"] = f"{size_text(speed)}/s"
    if tally.n_files > 1 and tally.ratio is not None:
        figures["ratio"] = f"{100 * tally.ratio:.1f} %"
    if (left := tally.seconds_left(now_s)) is not None:
        figures["left"] = f"{timedelta(seconds=round(left))} left"
    return figures


def size_text(n_bytes: float) -> str:
    """Return a size in decimal units, as in 1.2 MB."""
    power = _power(n_bytes)
    return f"{n_bytes / 1000**power:.{1 if power else 0}f} {_UNITS[power]}"


def _amount(done: float, all_units: float | None) -> str:
    if all_units is None:
        return size_text(done)
    power = _power(all_units)
    digits = 1 if power else 0
    done, all_units = done / 1000**power, all_units / 1000**power
    return f"{done:.{digits}f}/{all_units:.{digits}f} {_UNITS[power]}"


def _power(n_bytes: float) -> int:
    return next((p for p in range(len(_UNITS)) if n_bytes < 1000 ** (p + 1)), len(_UNITS) - 1)


def _shortened(text: str, width: int) -> str:
    """Return the end of a name that is too long: there files of one folder differ."""
    return text if len(text) <= width else f"...{text[len(text) - max(0, width - 3) :]}"
