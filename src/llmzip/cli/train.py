"""`llmzip train`: a model of one's own, from texts like those that it is to compress."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from llmzip.cli.files import STDIO, stdout_stream
from llmzip.cli.inputs import opened
from llmzip.cli.memory import require_least
from llmzip.cli.messages import Messages, shown
from llmzip.cli.options import verb
from llmzip.cli.settings import Settings
from llmzip.cli.signals import InterruptedBySignal
from llmzip.cli.sources import Search, Source, named
from llmzip.cli.training_line import TrainingLine
from llmzip.cli.training_table import table
from llmzip.doctor.ready import ready_folder
from llmzip.errors import UsageError
from llmzip.models import trained
from llmzip.models.catalog import DEFAULT_MODEL
from llmzip.models.export import keep
from llmzip.models.files import ModelFiles, locate
from llmzip.version import __version__

if TYPE_CHECKING:
    from llmzip.training.checkpoint import Checkpoints
    from llmzip.training.session import Request
    from llmzip.training.texts import Sample
    from llmzip.training.trainer import Trainer
    from llmzip.training.verdict import Verdict


@verb("train")
def train(messages: Messages, settings: Settings) -> None:
    """Teach a model texts like those it is to compress.

    What it learns is kept under a name: a few megabytes beside the model, made in minutes. `-m
    NAME` compresses with it, and `llmzip models export NAME FILE` makes a file for whoever is to
    decompress. A FILE may be a folder, with all texts in it. The last tenth of each text is not
    trained on but judges. With --from-scratch a small model of its own is made instead, which
    knows nothing but such texts and is many times as fast. For example `llmzip train logs/ -o logs
    --minutes 20`.
    """
    from llmzip.training.memory import keep_memory
    from llmzip.training.session import open_trainer, require_enough

    require_least()
    _require_one_kind(settings)
    target = _target(settings)
    samples = list(_samples(settings, messages))
    require_enough(samples, settings.from_scratch is not None)
    plain = settings.model or DEFAULT_MODEL
    files = None if settings.from_scratch else locate(plain, quiet=settings.quiet)
    request = _request(settings, samples, plain, files)
    keep_memory()
    checkpoints = _checkpoints(target, samples, request)
    with TrainingLine(messages, settings.minutes) as line:

        def judged(trainer: Trainer) -> None:
            line.judged(trainer.progress)
            if trainer.progress.n_steps:
                checkpoints.save(trainer)

        trainer = open_trainer(request, files, samples, line.stepped, judged)
        if settings.resume:
            checkpoints.restore(trainer)
        try:
            trainer.run()
        except InterruptedBySignal:
            if len(trainer.progress.held_out) > 1:  # else nothing has been learnt
                _keep(trainer, request, target)
                messages.say(
                    f"interrupted; the best so far is kept as {settings.output}, and the same "
                    "command with --resume goes on"
                )
            raise
    _keep(trainer, request, target)
    checkpoints.remove()
    result = _verdict(samples, request, target, settings, messages)
    with stdout_stream() as sink:
        sink.write(table(result, target).encode())


def _require_one_kind(settings: Settings) -> None:
    """Raise UsageError where an adapter and a model from scratch are asked for at once."""
    if settings.from_scratch is None:
        return
    given = click.get_current_context().get_parameter_source
    for name, option in (("model", "-m"), ("rank", "--rank")):
        if given(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"{option} is for an adapter, and --from-scratch makes a whole model: "
                "leave one of them out"
            )


def _target(settings: Settings) -> Path:
    """Return the folder that the model goes to. Raises UsageError."""
    if settings.output is None or settings.output == str(STDIO) or settings.wants_stdout:
        raise UsageError("say with -o what the model is to be called: -o NAME, or -o ./FOLDER")
    name = settings.output
    is_path = os.sep in name or name.startswith(("~", "."))
    target = Path(name).expanduser() if is_path else trained.folder_of(trained.require_name(name))
    if target.exists() and not (settings.force or settings.resume):
        raise UsageError(f"{target} exists; use -f to replace it, or another name")
    if target.exists() and not trained.is_one(target):
        raise UsageError(f"{target} is no model that was trained; it is not replaced")
    return target


def _request(
    settings: Settings, samples: list[Sample], plain: str, files: ModelFiles | None
) -> Request:
    from llmzip.predict.devices import choose_device
    from llmzip.training.session import Request, adapter_plan, base_name, scratch_request

    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)
    device = choose_device(settings.device)
    if files is None:
        return scratch_request(
            *(settings.from_scratch or "", samples, settings.minutes, settings.seed, device)
        )
    plan = adapter_plan(settings.minutes, settings.seed, device)
    return Request(base_name(plain, files), plan, settings.rank, device, plain=plain)


def _samples(settings: Settings, messages: Messages) -> Iterator[Sample]:
    """Yield the texts that are meant; of what is no text, say so. Raises UsageError, OSError."""
    from llmzip.training.texts import split, text_of

    search = Search(replace(settings, recursive=True), lambda _: True, messages)
    for path in named(settings):
        if path == STDIO and not settings.files:
            raise UsageError("say which texts to learn from: files or folders")
        for source in search.files_of(path):
            text = text_of(_read(source))
            if text is None and path == source.path:
                raise UsageError(f"{shown(path)} is no text that can be learnt from")
            if text is None:
                messages.info(f"{shown(source.path)} is no text; left out")
            elif text:
                yield split(str(source.path), text)


def _read(source: Source) -> bytes:
    with opened(source.path) as reading:
        return reading.stream.read()


def _checkpoints(target: Path, samples: list[Sample], request: Request) -> Checkpoints:
    import xxhash

    from llmzip.training.checkpoint import Checkpoints

    state = xxhash.xxh3_128()
    for sample in samples:
        state.update(sample.trained)
        state.update(sample.held_out)
    plan = {
        "texts": state.hexdigest(),
        "base": request.base,
        "plain": request.plain,
        "rank": request.rank,
        "scratch": request.scratch,
        "minutes": request.plan.minutes,
        "seed": request.plan.seed,
        "pace": [request.plan.n_rows, request.plan.learning_rate],
        "device": request.device,  # another has other batches, and is judged by other windows
    }
    return Checkpoints(target.with_name(f".{target.name}.partial"), plan)


def _keep(trainer: Trainer, request: Request, target: Path) -> None:
    """Put the best so far where it is looked for, whole or not at all."""
    progress = trainer.progress
    if trainer.best is None:
        return
    before = {"base": request.base, "held_out_before": progress.held_out[0]}
    told = ({"base": "", "scratch": request.scratch} if request.scratch else before) | {
        "held_out_after": progress.best,
        "tokens": progress.n_tokens,
        "minutes": round(progress.elapsed_s / 60, 1),
        "seed": request.plan.seed,
        "pace": [request.plan.n_rows, request.plan.learning_rate],
        "llmzip": __version__,
    }
    keep(trainer.best.write, told, target)


def _verdict(
    samples: list[Sample], request: Request, target: Path, settings: Settings, messages: Messages
) -> Verdict:
    from llmzip.compressor import Compressor
    from llmzip.decompressor import Decompressor
    from llmzip.message_codec import MessageCodec, make_profile
    from llmzip.messages.profile import BEGINNING
    from llmzip.training.verdict import Ways, scratch_verdict, verdict

    how: dict[str, Any] = {
        "device": settings.device,
        "threads": settings.threads,
        "quiet": settings.quiet,
    }

    def message_codec(model: str, dictionary: bytes | None) -> MessageCodec:
        known = BEGINNING if dictionary is None else dictionary
        profile = make_profile(model, dictionary=known, quiet=settings.quiet)
        return MessageCodec(profile, model=model, **how)

    ways = Ways(
        lambda model, dictionary: Compressor(model=model, dictionary=dictionary, **how),
        message_codec,
        lambda model: Decompressor(model=model, **how),
        messages.info,
    )
    if not request.scratch:
        return verdict(samples, request.plain, f"{request.base}+{target}", ways)
    default = DEFAULT_MODEL if ready_folder() is not None else None
    return scratch_verdict(samples, str(target.absolute()), default, ways)
