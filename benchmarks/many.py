"""Many small texts at once beside one by one: texts and tokens a second, both ways.

    python benchmarks/many.py FILE... [--texts 1000] [--bytes 200] [--level 5] [--runs 3]

The texts are cut from the files, one after the other. Every row is the median of its runs; all
are made in one go, by turns, with the model open. The last row is the limit: the same tokens
as long texts, so that the model is kept busy by whole windows of them.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from llmzip import Compressor, Decompressor

Work = Callable[[], list[bytes]]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--texts", "n_texts", default=1000, show_default=True)
@click.option("--bytes", "n_bytes", default=200, show_default=True, help="Of each text.")
@click.option("--level", "levels", default=[5], multiple=True, show_default=True)
@click.option("--runs", "n_runs", default=3, show_default=True)
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--threads", type=int, help="As many as there are, if not given.")
def main(
    files: tuple[Path, ...],
    n_texts: int,
    n_bytes: int,
    levels: tuple[int, ...],
    n_runs: int,
    model: str,
    device: str,
    threads: int | None,
) -> None:
    """Print a table in Markdown for each level."""
    data = b"".join(path.read_bytes() for path in files)
    texts = [data[at : at + n_bytes] for at in range(0, len(data), n_bytes)][:n_texts]
    if len(texts) < n_texts:
        raise click.UsageError(f"the files hold {len(texts)} texts of {n_bytes} bytes")
    for level in levels:
        bench = _Bench(texts, level, model, device, threads)
        click.echo(f"\n{n_texts:,} texts of {n_bytes} bytes, level {level}, {bench.way}\n")
        click.echo("| | seconds | texts/s | tokens/s |\n| --- | ---: | ---: | ---: |")
        for name, seconds in bench.timed(n_runs).items():
            rates = f"{n_texts / seconds:,.0f} | {bench.n_tokens / seconds:,.0f}"
            click.echo(f"| {name} | {seconds:.2f} | {rates} |")


class _Bench:
    """What is timed, each result being checked."""

    def __init__(
        self, texts: Sequence[bytes], level: int, model: str, device: str, threads: int | None
    ) -> None:
        self._texts = list(texts)
        self._long = b"".join(texts)
        self._compressor = Compressor(model=model, level=level, device=device, threads=threads)
        self._decompressor = Decompressor(model=model, device=device, threads=threads)
        self._files = [self._compress(text) for text in texts]
        stats = self._compressor.compress(io.BytesIO(self._long), io.BytesIO())
        self.way, self.n_tokens = stats.way, stats.n_tokens

    def _compress(self, text: bytes) -> bytes:
        sink = io.BytesIO()
        self._compressor.compress(io.BytesIO(text), sink)
        return sink.getvalue()

    def _decompress(self, file: bytes) -> bytes:
        sink = io.BytesIO()
        self._decompressor.decompress(io.BytesIO(file), sink)
        return sink.getvalue()

    def timed(self, n_runs: int) -> dict[str, float]:
        """Return the median of the seconds that each takes; the runs go round by turns."""
        work: dict[str, tuple[Work, list[bytes] | None]] = {
            "compress, one by one": (lambda: list(map(self._compress, self._texts)), self._files),
            "compress_many": (
                lambda: list(self._compressor.compress_many(self._texts)),
                self._files,
            ),
            "decompress, one by one": (
                lambda: list(map(self._decompress, self._files)),
                self._texts,
            ),
            "decompress_many": (
                lambda: list(self._decompressor.decompress_many(self._files)),
                self._texts,
            ),
            "compress, one long text": (lambda: [self._compress(self._long)], None),
        }
        for run, _ in work.values():
            run()  # once to warm up
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(n_runs):
            for name, (run, wanted) in work.items():
                seconds[name].append(_seconds(run, wanted))
        return {name: statistics.median(own) for name, own in seconds.items()}


def _seconds(run: Work, wanted: list[bytes] | None) -> float:
    """Time `run`; raise if it gives anything but what is wanted."""
    begin_s = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - begin_s
    if wanted is not None and found != wanted:
        raise AssertionError("what came out is not what went in alone")
    return seconds


if __name__ == "__main__":
    main()
