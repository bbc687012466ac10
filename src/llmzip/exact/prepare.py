"""From a model's weights to its integers, the same on every machine, a layer at a time.

The weights are folded and turned (`turning`) and rounded to int8, one scale a row: first each to
its nearest, then, once that model has shown what its linears take in, with errors passed on
(`rounding`). So they are read twice, and no more than a layer of them is ever in memory; but the
model of the first rounding is, a byte a weight, while it writes its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from llmzip.exact import constants
from llmzip.exact.calibration import SAMPLE, Reading, Sample, generate
from llmzip.exact.checks import rope_names
from llmzip.exact.cpu.packed import packed_model
from llmzip.exact.cpu.ways import Way, way_of
from llmzip.exact.engines import make_engine
from llmzip.exact.floats import FloatLayer, FloatLinear, FloatModel
from llmzip.exact.model import (
    GAINS,
    LINEARS,
    ExactModel,
    assemble,
    assemble_layer,
    file_meta,
)
from llmzip.exact.model_file import ModelFile, layout_of
from llmzip.exact.rounding import Feedback, nearest_rows
from llmzip.exact.scratch import Folder, Memory, Scratch
from llmzip.exact.tables import rope_tables
from llmzip.exact.turning import Turned, folded_bias, slices, turning_of
from llmzip.processors import usable_threads

Array = NDArray[np.float64]
Rounding = Callable[[Array, int], tuple[Array, Array]]
"""From rows and a limit to integers within it, and the scale of each row."""
Progress = Callable[[float], None]
"""Takes how much has been done so far, of 1."""

_ROUNDED, _WRITTEN = 0.3, 0.5
"""How much of the time has gone by, about, when all is rounded once; when the text is written."""


class Sink(Protocol):
    """What takes the tensors of a prepared model."""

    def put(self, name: str, array: NDArray[Any]) -> None:
        """Take a tensor. Raises: OSError."""


def prepare(model: FloatModel, sample: Sample = SAMPLE) -> ExactModel:
    """Fold, rotate and quantise `model`; the text that it writes meanwhile is as long as `sample`.

    Raises DeviceError if nothing on the processor computes exactly; ModelUnsupportedError if
    the model's activations, or its weights, are no finite numbers.
    """
    made = Memory()
    work = _Preparing(model, Memory(), sample, lambda _: None)
    with _threads_of_ours():
        work.round_to_nearest()
    reading = work.read_own_text()
    with _threads_of_ours():
        work.round_with_feedback(reading, made)
    return assemble(model.shape, made.tensors(), {})


def prepare_file(
    model: FloatModel, path: Path, scratch: Path, on_progress: Progress, sample: Sample = SAMPLE
) -> None:
    """As `prepare`, into a file as `ExactModel.save` writes it.

    scratch: an empty folder for some more bytes than the file has.

    Raises: as `prepare`; OSError.
    """
    kept = Folder(scratch)
    work = _Preparing(model, kept, sample, on_progress)
    with _threads_of_ours():
        work.round_to_nearest()
    reading = work.read_own_text()
    layout, meta = layout_of(kept.tensors()), file_meta(model.shape, {})
    with _threads_of_ours(), ModelFile(path, layout, meta) as file:
        work.round_with_feedback(reading, file)


class _Preparing:
    """The steps, one after the other. scratch: holds the model of the first rounding."""

    def __init__(
        self, model: FloatModel, scratch: Scratch, sample: Sample, on_progress: Progress
    ) -> None:
        self._model, self._scratch, self._sample = model, scratch, sample
        self._on_progress = on_progress
        self._turning = turning_of(model.shape, centred=model.centred)
        self._n_threads = usable_threads()

    def round_to_nearest(self) -> None:
        """Fill `scratch` with the model, every weight rounded to its nearest."""
        model, turning = self._model, self._turning
        table = turning.table(model.embedding)
        rows, scale = self._rounded(table, np.int16, 32767, nearest_rows)
        self._keep("embedding", rows)
        self._keep("embedding_scale", scale.astype(np.float32))
        if model.positions is not None:
            self._keep("positions", turning.output(model.positions.T).T.astype(np.float32))
        turns = () if model.turns is None else (model.turns, *model.other_turns)
        tables = [table for each in turns for table in rope_tables(model.shape.n_positions, each)]
        for name, angles in zip(rope_names(len(turns)), tables, strict=True):
            self._keep(name, angles)
        for index in range(len(model.layers)):
            self._on_progress(_ROUNDED * index / len(model.layers))
            self._round_layer(index, model.layers[index])
        self._round_linear("head", model.head, constants.LOG2_E)

    def _round_layer(self, index: int, layer: FloatLayer) -> None:
        """Round a layer that nobody else holds: two of them would take twice the memory."""
        gains = {"heads": layer.gain, "out": layer.out_gain, "down": layer.down_gain}
        for name, gain in gains.items():
            if gain is not None:
                self._keep(f"{index}.{name}.gain", gain.astype(np.float32))
        for name, linear in _linears(layer):
            self._round_linear(f"{index}.{name}", linear)

    def read_own_text(self) -> Reading:
        """Have that model write; return its text, about to be read."""
        model, sample = assemble(self._model.shape, self._scratch.tensors(), {}), self._sample
        n_tokens = min(sample.n_tokens, model.shape.n_positions)
        way = way_of(model.shape)
        packed = None if way is Way.PLAIN else packed_model(model, way)
        self._scratch.settle()
        engine = make_engine(model, "cpu", n_tokens, self._n_threads)
        ids = generate(engine, sample, self._after(_ROUNDED, _WRITTEN))
        del engine, packed
        return Reading(model, ids, self._n_threads)

    def round_with_feedback(self, reading: Reading, made: Sink) -> None:
        """Have the text read, layer by layer; each is rounded for good when it is, into `made`."""
        ropes = rope_names(self._model.shape.n_ropes)
        for name in ("embedding", "embedding_scale", "positions", *ropes):
            self._finish(name, made)
        n_layers, tell = len(self._model.layers), self._after(_WRITTEN, 1.0)
        for index in range(n_layers):
            tell(index / n_layers)
            moments = reading.layer(assemble_layer(self._scratch.tensors(), index))
            for name in GAINS:
                self._finish(f"{index}.{name}.gain", made)
            self._round_layer_again(index, self._model.layers[index], moments, made)
        self._round_again("head", self._model.head, reading.head(), made)
        self._finish("head.gain", made)
        tell(1.0)

    def _round_layer_again(
        self, index: int, layer: FloatLayer, moments: dict[str, list[Array]], made: Sink
    ) -> None:
        for name, linear in _linears(layer):
            self._round_again(f"{index}.{name}", linear, moments.pop(name), made)

    def _after(self, start: float, end: float) -> Progress:
        return lambda share: self._on_progress(start + (end - start) * share)

    def _turned(self, name: str, linear: FloatLinear) -> Turned:
        """A linear's weights: they write to the stream, or read from it."""
        if _writes(name):
            return self._turning.writer(linear.weight)
        return self._turning.reader(linear)

    def _bias(self, name: str, linear: FloatLinear) -> Array | None:
        if not _writes(name):
            return folded_bias(linear)
        return None if linear.bias is None else self._turning.output(linear.bias[:, None])[:, 0]

    def _round_linear(self, name: str, linear: FloatLinear, factor: float = 1.0) -> None:
        bias = self._bias(name, linear)
        turned = self._turned(name, linear)
        if self._model.shape.norms and linear.norm_gain is not None:
            self._keep(f"{name}.gain", linear.norm_gain.astype(np.float32))
        rows, scale = self._rounded(turned, np.int8, constants.INT8_MAX, nearest_rows)
        self._keep(f"{name}.weight", rows)
        self._keep(f"{name}.scale", (scale * factor).astype(np.float32))
        if bias is not None:
            self._keep(f"{name}.bias", (bias * factor).astype(np.float32))

    def _round_again(
        self, name: str, linear: FloatLinear, moments: list[Array], made: Sink
    ) -> None:
        """The weights anew; the scales, of each row's largest, and biases are as they were."""
        feedback = Feedback(moments)
        rows, _ = self._rounded(
            self._turned(name, linear), np.int8, constants.INT8_MAX, feedback.rows
        )
        made.put(f"{name}.weight", rows)
        self._scratch.drop(f"{name}.weight")
        for part in ("scale", "bias"):
            self._finish(f"{name}.{part}", made)

    def _rounded(
        self, turned: Turned, dtype: type[np.generic], limit: int, rounding: Rounding
    ) -> tuple[NDArray[Any], Array]:
        """All rows rounded, several at a time: (integers, scales)."""
        found, scale = np.empty(turned.shape, dtype=dtype), np.empty(turned.shape[0])

        def fill(rows: slice) -> None:
            found[rows], scale[rows] = rounding(turned.compute(rows), limit)

        with ThreadPoolExecutor(self._n_threads, "llmzip-round") as pool:
            for _ in pool.map(fill, slices(turned.shape)):
                pass
        return found, scale

    def _keep(self, name: str, array: NDArray[Any]) -> None:
        self._scratch.put(name, np.ascontiguousarray(array))

    def _finish(self, name: str, made: Sink) -> None:
        """Hand over what the first rounding has settled, where the model has it."""
        if (array := self._scratch.get(name)) is not None:
            made.put(name, array)
            self._scratch.drop(name)


@contextmanager
def _threads_of_ours() -> Iterator[None]:
    """Products by one thread each, for ours are several: theirs would wait, by spinning."""
    with threadpool_limits(1, "blas"):
        yield


def _writes(name: str) -> bool:
    """Whether the linear of this name adds to the stream."""
    return name.endswith((".out", ".down"))


def _linears(layer: FloatLayer) -> Iterator[tuple[str, FloatLinear]]:
    return ((name, getattr(layer, name)) for name in LINEARS)
