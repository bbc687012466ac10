"""Predictors: language models as sources of integer frequencies.

Importing this imports no torch, nor does opening a prepared model for the CPU where its way of
computing does without.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from llmzip import torch_threads
from llmzip.container import ModelRef, Options, dictionary_mark
from llmzip.container.limits import FINGERPRINT_BYTES
from llmzip.errors import UnsupportedError
from llmzip.predict.devices import choose_device
from llmzip.predict.protocol import Intervals, LaneDecoder, Predictor
from llmzip.room import require_room

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmzip.exact.stored import AnyModel
    from llmzip.models.files import ModelFiles
    from llmzip.models.prepared import OpenedExact
    from llmzip.predict.kept_primed import KeptPrimed
    from llmzip.predict.narrowed import ListedPredictor, Narrowed
    from llmzip.predict.windows import Window
    from llmzip.tokens import ByteTokenizer
    from llmzip.tokens.shortlists import ListedTokenizer

__all__ = [
    "Intervals",
    "LaneDecoder",
    "OpenedPredictor",
    "Predictor",
    "exact_predictor",
    "open_predictor",
]

STAGES = logging.getLogger("llmzip.stage")
"""What is at work before there is any progress, for whoever shows it."""


@dataclass(frozen=True)
class OpenedPredictor:
    """A predictor with what its ids mean and how a file refers to it.

    dictionary: the mark of the dictionary that its groups begin with.
    narrowed: the model by its shortlists; none with a dictionary, or in floating point.
    """

    predictor: Predictor
    tokenizer: ByteTokenizer
    ref: ModelRef
    dictionary: bytes | None = None
    narrowed: Narrowed | None = None

    @property
    def shortlists(self) -> Mapping[int, ListedTokenizer]:
        """The lists that it has, by their numbers."""
        return {} if self.narrowed is None else self.narrowed.tokenizers

    def listed(self, shortlist: int) -> OpenedPredictor | ListedPredictor:
        """The same by a shortlist of its vocabulary; 0 stands for all.

        Raises: UnsupportedError if there is no such list; what opening an engine does.
        """
        if not shortlist:
            return self
        if self.narrowed is None:
            raise UnsupportedError(f"{self.ref.name} has no shortlists as it is used here")
        return self.narrowed.listed(shortlist)


def open_predictor(
    model: str | ModelRef,
    *,
    device: str,
    threads: int | None,
    batch: int | None,
    exact: bool,
    options: Options,
    quiet: bool,
    dictionary: bytes | None = None,
    allow_hub: bool = False,
    machine: bytes | None = None,
) -> OpenedPredictor:
    """Open the predictor of a model that a person names or a file records.

    allow_hub: whether what a file records may be fetched though no catalog has it.
    dictionary: what groups begin with, exact ones only.
    device: "cpu", "cuda" or "auto". threads, batch: speed and memory only.
    machine: the tag that a predictor in floating point must have; another is not even loaded.
    Raises ModelError, DeviceError, OSError.
    """
    from llmzip.models.files import locate

    # First, for a name that leads nowhere should be told before torch is imported.
    found = model if isinstance(model, ModelRef) else locate(model, quiet=quiet)
    STAGES.info("opening the model")
    require_room()
    where = choose_device(device)
    if exact:
        return _open_exact(found, where, threads, batch, options, quiet, dictionary, allow_hub)
    return _open_float(found, where, threads, options, quiet, allow_hub, machine)


def _open_exact(
    model: ModelFiles | ModelRef,
    device: str,
    threads: int | None,
    batch: int | None,
    options: Options,
    quiet: bool,
    dictionary: bytes | None,
    allow_hub: bool,
) -> OpenedPredictor:
    from llmzip.models.prepared import open_files, open_recorded

    in_parts = device == "cpu"
    if isinstance(model, ModelRef):
        recorded = model.name, model.source, model.fingerprint
        opened = open_recorded(*recorded, allow_hub=allow_hub, quiet=quiet, in_parts=in_parts)
    else:
        opened = open_files(model, quiet=quiet, in_parts=in_parts)
    return exact_predictor(opened, device, threads, batch, options, dictionary)


def exact_predictor(
    opened: OpenedExact,
    device: str,
    threads: int | None,
    batch: int | None,
    options: Options,
    dictionary: bytes | None = None,
) -> OpenedPredictor:
    """Return the predictor of a model that is open. device: "cpu" or "cuda"; else as above.

    Raises DeviceError.
    """
    from llmzip.exact.engines import make_engine
    from llmzip.predict.exact import ExactPredictor
    from llmzip.predict.narrowed import Narrowed
    from llmzip.predict.windows import Window
    from llmzip.processors import usable_threads

    shape = opened.shape
    window = Window.fit(
        options.window_tokens, options.carry_tokens, shape.n_positions, opened.bos_id
    )
    n_workers = (threads or usable_threads()) if device == "cpu" else 1
    kept = None if dictionary is None else _kept_of(opened, device, window, dictionary)
    known = None if kept is None else kept.tokens
    if known is None and dictionary is not None:
        known = opened.tokenizer.encode(dictionary)

    def make(model: AnyModel, own: Window) -> ExactPredictor:
        engine = partial(make_engine, model, device, own.size)
        return ExactPredictor(engine, own, n_workers, batch, known, kept)

    predictor = make(opened.stored, window)
    ref = ModelRef(opened.name, opened.source, opened.fingerprint[:FINGERPRINT_BYTES])
    if dictionary is not None:
        mark = dictionary_mark(ref.fingerprint, dictionary)
        return OpenedPredictor(predictor, opened.tokenizer, ref, mark)
    narrowed = Narrowed(opened.stored, opened.tokenizer, window, ref, make)
    return OpenedPredictor(predictor, opened.tokenizer, ref, narrowed=narrowed)


def _kept_of(
    opened: OpenedExact, device: str, window: Window, dictionary: bytes
) -> KeptPrimed | None:
    """Where is kept what a dictionary leads to, of a model on disk on the CPU."""
    from llmzip.compiled.folders import sources_digest
    from llmzip.exact.cpu.ways import way_of
    from llmzip.exact.stored import StoredModel
    from llmzip.predict.kept_primed import KeptPrimed

    sources = sources_digest()
    if device != "cpu" or sources is None or not isinstance(opened.stored, StoredModel):
        return None
    way = str(way_of(opened.shape))
    return KeptPrimed(opened.stored.forms, dictionary, window, way, sources)


def _open_float(
    model: ModelFiles | ModelRef,
    device: str,
    threads: int | None,
    options: Options,
    quiet: bool,
    allow_hub: bool,
    machine: bytes | None,
) -> OpenedPredictor:
    """Open a model in floating point; the file it makes is tied to this machine."""
    import torch

    from llmzip.models.files import locate_recorded
    from llmzip.models.load import load_transformers
    from llmzip.predict.float import (
        FloatPredictor,
        foreign_machine,
        machine_tag,
        n_positions,
        require_machine,
    )
    from llmzip.predict.windows import Window
    from llmzip.tokens import ByteTokenizer

    if threads is not None:
        torch_threads.require_threads(threads)
        torch.set_num_threads(threads)  # before the tag is taken: it is part of it
    if machine is not None:
        require_machine(machine, torch.device(device))
    if isinstance(model, ModelRef):
        files = locate_recorded(model.name, model.source, allow_hub=allow_hub, quiet=quiet)
    else:
        files = model
    loaded = load_transformers(files)
    tokenizer = ByteTokenizer(loaded.tokenizer_json)
    network = loaded.model.to(device)
    window = Window.fit(
        options.window_tokens, options.carry_tokens, n_positions(network), loaded.bos_id
    )
    digest = sha256(bytes.fromhex(files.sha256()) + tokenizer.fingerprint_bytes()).digest()
    tag = machine_tag(network)
    if machine not in (None, tag):
        raise foreign_machine()
    ref = ModelRef(loaded.name, loaded.source, digest[:FINGERPRINT_BYTES], tag)
    return OpenedPredictor(FloatPredictor(network, window), tokenizer, ref)
