"""What a person has asked for, as one object, and the objects of the library that do it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from llmzip.cli.files import STDIO
from llmzip.cli.ranges import ByteRange, LineRange
from llmzip.cli.suffixes import SUFFIX
from llmzip.compressor import DEFAULT_LEVEL, Compressor
from llmzip.container.limits import MAX_DICTIONARY_BYTES
from llmzip.decompressor import Decompressor
from llmzip.errors import UsageError
from llmzip.models.adapters import is_adapter
from llmzip.models.catalog import DEFAULT_MODEL
from llmzip.processors import usable_processors
from llmzip.sampler import DEFAULT_TOP_K, Sampler
from llmzip.training.limits import DEFAULT_MINUTES, DEFAULT_RANK


@dataclass(frozen=True)
class Settings:
    """The options of a command, named as the table of options names them; units as there.

    What the command does not take is as if nobody had given it. output: as it was typed, for a
    slash at its end says that it is a folder.
    """

    files: tuple[Path, ...] = ()
    recursive: bool = False
    exclude: tuple[str, ...] = ()
    files_from: Path | None = None
    files_from0: Path | None = None
    output: str | None = None
    output_dir: Path | None = None
    to_stdout: bool = False
    suffix: str = SUFFIX
    force: bool = False
    keep: bool = False
    remove: bool = False
    resume: bool = False
    verify: bool = False
    recover: bool = False
    level: int = DEFAULT_LEVEL
    model: str | None = None
    models: tuple[str, ...] = ()
    adapter: Path | None = None
    chunk_tokens: int | None = None
    dictionary: Path | None = None
    patch_from: Path | None = None
    independent: bool = False
    use_float: bool = False
    allow_hub: bool = False
    force_foreign: bool = False
    max_output: int | None = None
    memlimit: int | None = None
    device: str = "auto"
    threads: int | None = None
    batch: int | None = None
    processes: int | None = None
    ray: str | None = None
    show_stats: bool = False
    byte_range: ByteRange | None = None
    line_range: LineRange | None = None
    per_line: bool = False
    wants_json: bool = False
    in_terminal: bool = False
    svg: Path | None = None
    png: Path | None = None
    prompt: str = ""
    seed: int = 0
    temperature: str = "1"
    top_k: int = DEFAULT_TOP_K
    max_tokens: int | None = None
    payload: Path | None = None
    wants_raw: bool = False
    clean: bool = False
    measure_speed: bool = False
    wants_csv: bool = False
    levels: tuple[int, ...] = ()
    page: Path | None = None
    minutes: float = DEFAULT_MINUTES
    rank: int = DEFAULT_RANK
    from_scratch: str | None = None
    quiet: bool = False
    verbose: int = 0

    @property
    def removes(self) -> bool:
        """Whether inputs go once they are done; --keep has the last word."""
        return self.remove and not self.keep

    @property
    def wants_stdout(self) -> bool:
        """Whether output goes to standard output, by -c or `-o -`."""
        return self.to_stdout or self.output == str(STDIO)

    @property
    def verbosity(self) -> int:
        """How much to say, as Messages counts it."""
        return -1 if self.quiet else self.verbose

    @property
    def is_spread(self) -> bool:
        """Whether other processes are to do the work."""
        return self.processes is not None or self.ray is not None

    def for_worker(self) -> Settings:
        """Return the same for one of several workers, which have this machine's cores together.

        What actors of Ray have is Ray's affair.
        """
        if self.threads is not None or self.ray is not None or "OMP_NUM_THREADS" in os.environ:
            return self
        return replace(self, threads=max(1, usable_processors() // (self.processes or 1)))

    def require_reference_everywhere(self) -> None:
        """Raise UsageError where not all who do the work have the reference."""
        if self.ray is not None and self.patch_from is not None:
            raise UsageError(
                "--patch-from does not go with --ray, whose machines may not have that file: "
                "leave one of them out, or use --processes"
            )

    def compressor(self) -> Compressor:
        """Return what compresses so. Raises UsageError, OSError."""
        return Compressor(
            model=self.model_name,
            device=self.device,
            threads=self.threads,
            batch=self.batch,
            level=self.level,
            chunk_tokens=self.chunk_tokens,
            dictionary=read_dictionary(self.dictionary),
            patch_from=self.patch_from,
            independent=self.independent,
            exact=not self.use_float,
            quiet=self.quiet,
        )

    def scorers(self) -> dict[str, Compressor]:
        """Return what scores by each model, by their names. Raises UsageError, OSError."""
        names = self.models or (os.environ.get("LLMZIP_MODEL") or DEFAULT_MODEL,)
        return {name: replace(self, model=name).compressor() for name in names}

    @property
    def model_name(self) -> str:
        """The model that was asked for, with its adapter; else the default. Raises UsageError."""
        return self._with_adapter(self.model or DEFAULT_MODEL)

    def _with_adapter(self, model: str) -> str:
        """Return how a model is called with the adapter that was given, if one was."""
        if self.adapter is None:
            return model
        if not is_adapter(self.adapter):
            raise UsageError(f"{self.adapter} holds no adapter (adapter_config.json, or .adapter)")
        return f"{model}+{self.adapter}"

    def decompressor(self) -> Decompressor:
        """Return what decompresses so. Raises UsageError, OSError."""
        return Decompressor(
            model=self.model_name if self.adapter is not None else self.model,
            device=self.device,
            threads=self.threads,
            batch=self.batch,
            dictionary=read_dictionary(self.dictionary),
            patch_from=self.patch_from,
            default_model=os.environ.get("LLMZIP_MODEL") or DEFAULT_MODEL,
            force_foreign=self.force_foreign,
            max_output=self.max_output,
            memlimit=self.memlimit,
            allow_hub=self.allow_hub,
            quiet=self.quiet,
        )

    def sampler(self) -> Sampler:
        """Return what samples so. Raises UsageError."""
        return Sampler(
            prompt=self.prompt,
            seed=self.seed,
            temperature=self.temperature,
            top_k=self.top_k,
            model=self.model_name,
            device=self.device,
            threads=self.threads,
            quiet=self.quiet,
        )


def read_dictionary(path: Path | None) -> bytes | None:
    """Return what --dict names. Raises OSError; UsageError if it is too long."""
    if path is None:
        return None
    with path.open("rb") as file:
        data = file.read(MAX_DICTIONARY_BYTES + 1)
    if not 1 <= len(data) <= MAX_DICTIONARY_BYTES:
        raise UsageError(f"{path}: a dictionary has 1 to {MAX_DICTIONARY_BYTES:,} bytes")
    return data
