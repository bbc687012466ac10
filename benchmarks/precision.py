"""What exact inference costs in bits: python benchmarks/precision.py [FILE ...]

Codes the first tokens of each file in chunks as long as the window, each with a fresh
context: by transformers in float32, and by the exact engine's intervals. The default
model and the default level's window, unless options say otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llmzip.errors import LlmzipError
from llmzip.exact.engines import make_engine
from llmzip.models import DEFAULT_MODEL, OpenedExact, load_transformers, locate, open_exact
from llmzip.predict.exact import ExactPredictor
from llmzip.predict.windows import Window

DEFAULT_FILES = (Path(__file__).parent / "data" / "alice-1-3.txt",)
N_ROWS = 256  # positions whose float logits are held in float64 at once

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Row:
    """A text's cross-entropy, twice."""

    name: str
    n_tokens: int
    float_bits: float
    exact_bits: float

    def markdown(self) -> str:
        """The row of the table."""
        loss = self.exact_bits / self.float_bits - 1
        cells = (self.name, f"{self.n_tokens:,}", f"{self.float_bits:,.0f}")
        return f"| {' | '.join(cells)} | {self.exact_bits:,.0f} | {loss:+.2%} |"


class PrecisionBench:
    """One model, in floats and exact, and the window it sees."""

    def __init__(self, name: str, n_window: int, n_workers: int, device: str) -> None:
        self.opened: OpenedExact = open_exact(name)
        self._model: Any = load_transformers(locate(name)).model
        shape = self.opened.model.shape
        self._window = Window.fit(n_window, 0, shape.n_positions, self.opened.bos_id)
        engine = partial(make_engine, self.opened.model, device, self._window.size)
        self._predictor = ExactPredictor(engine, self._window, n_workers)

    def row(self, path: Path, n_tokens: int) -> Row:
        """Measure the first `n_tokens` tokens of a file."""
        ids = self.opened.tokenizer.encode(path.read_bytes()[: 16 * n_tokens])[:n_tokens]
        step = self._window.size
        chunks = [ids[start : start + step] for start in range(0, len(ids), step)]
        exact = sum(
            float(-np.log2(found.freq / found.total).sum())
            for found in self._predictor.intervals(chunks)
        )
        return Row(path.name, len(ids), sum(map(self._float_bits, chunks)), exact)

    def _float_bits(self, chunk: Ids) -> float:
        inputs = self._window.inputs_between(chunk.astype(np.int64), 0, len(chunk))
        with torch.inference_mode():
            logits = self._model(torch.from_numpy(inputs)[None]).logits[0]
        own = torch.from_numpy(chunk.astype(np.int64))
        nats = 0.0
        for start in range(0, len(chunk), N_ROWS):
            rows, wanted = (x[start : start + N_ROWS] for x in (logits, own))
            loss = torch.nn.functional.cross_entropy(rows.double(), wanted, reduction="sum")
            nats += float(loss)
        return nats / float(np.log(2))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; return the exit status."""
    options = parse(arguments)
    try:
        n_workers = torch.get_num_threads()
        bench = PrecisionBench(options.model, options.window, n_workers, options.device)
        print("| text | tokens | float32, bits | exact, bits | loss |\n|---|---|---|---|---|")
        rows = []
        for path in options.files:
            rows.append(bench.row(path, options.tokens))
            print(rows[-1].markdown(), flush=True)
    except (OSError, LlmzipError) as exc:
        print(f"precision.py: {exc}", file=sys.stderr)
        return 1
    if len(rows) > 1:
        print(_total(rows).markdown())
    return 0


def _total(rows: Sequence[Row]) -> Row:
    return Row(
        "all",
        sum(row.n_tokens for row in rows),
        sum(row.float_bits for row in rows),
        sum(row.exact_bits for row in rows),
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="benchmarks/precision.py", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, default=DEFAULT_FILES, metavar="FILE")
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--tokens", type=_positive, default=8192, help="of each file, at most")
    parser.add_argument("--window", type=_positive, default=2048, help="tokens in view")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="exact inference")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return number


if __name__ == "__main__":
    sys.exit(main())
