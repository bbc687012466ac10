"""A folder compressed by actors of Ray through fsspec, and compared with what one process made."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress
from pathlib import Path

import fsspec

import llmzip.ray
from llmzip.bench.measure import RoundTripError

BUCKET = "llmzip"


def compress_by_urls(folder: Path, address: str, options: argparse.Namespace) -> tuple[str, int]:
    """Put the folder's files where URLs lead, have them compressed, compare; return URL and count.

    options.s3: the endpoint of a server that speaks S3's protocol; None: memory://.
    """
    url = _root(options.s3)
    system, root = fsspec.url_to_fs(url)
    for path in (folder / "plain").iterdir():
        system.pipe_file(f"{root}/plain/{path.name}", path.read_bytes())
    reports = llmzip.ray.compress_files(
        [f"{url}/plain"],
        f"{url}/packed",
        address=address,
        workers=4,
        level=options.level,
        model=options.model,
    )
    for report in reports:
        if report.error is not None:
            raise report.error
    for path in (folder / "alone").iterdir():
        if system.cat_file(f"{root}/packed/{path.name}") != path.read_bytes():
            raise RoundTripError(f"{path.name} is not the same at {url}")
    return url, len(reports)


def know(endpoint: str) -> None:
    """Let this process know a server that takes any key, and those that are started from now on."""
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")


def _root(endpoint: str | None) -> str:
    if endpoint is None:
        return "memory://llmzip"
    with suppress(FileExistsError):
        fsspec.filesystem("s3").mkdir(BUCKET)
    return f"s3://{BUCKET}"
