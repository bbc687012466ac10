"""A hub on this machine: what the client of the real one asks for, and a log of who asked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Serves folders as repositories.

    repos: name of the repository to its folder.
    sizes: sizes to claim instead of the true ones; None claims none.
    asked: paths that were asked for; tokens: what came along as authorization.
    """

    repos: dict[str, Path]
    sizes: dict[str, int | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""

    def tree(self, repo: str) -> list[dict[str, object]]:
        names = [str(sibling["rfilename"]) for sibling in self.siblings(repo)]
        sizes = [(self.repos[repo] / name).stat().st_size for name in names]
        return [
            {
                "type": "file",
                "path": name,
                "size": size,
                "oid": hashlib.sha1(name.encode()).hexdigest(),
            }
            for name, size in zip(names, sizes, strict=True)
        ]

    def siblings(self, repo: str) -> list[dict[str, object]]:
        names = sorted(path.name for path in self.repos[repo].iterdir() if path.is_file())
        true = {name: (self.repos[repo] / name).stat().st_size for name in names}
        return [{"rfilename": n, "size": self.sizes.get(n, true[n])} for n in names]


@contextlib.contextmanager
def serving(repos: dict[str, Path]) -> Iterator[FakeHub]:
    """Run a hub with these repositories."""
    hub = FakeHub(repos)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            hub.asked.append(self.path)
            if token := self.headers.get("Authorization"):
                hub.tokens.add(token)
            path = self.path.partition("?")[0]
            for repo, folder in hub.repos.items():
                if path.startswith(f"/api/models/{repo}/tree/"):
                    self._send(json.dumps(hub.tree(repo)).encode(), body, "application/json")
                    return
                if path.startswith(f"/api/models/{repo}"):
                    info = {"id": repo, "sha": COMMIT, "siblings": hub.siblings(repo)}
                    self._send(json.dumps(info).encode(), body, "application/json")
                    return
                if path.startswith(f"/{repo}/resolve/"):
                    file = folder / path.rpartition("/")[2]
                    self._send(file.read_bytes(), body, "application/octet-stream")
                    return
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, data: bytes, body: bool, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield hub
        finally:
            server.shutdown()
