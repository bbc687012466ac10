"""Writes the log of a small web service that really runs: python service_log.py OUT --bytes N.

A shop with a database answers made-up customers over HTTP and logs what it does as JSON lines:
requests, statements with their times, caches, payments that are declined, errors with tracebacks.
What customers do depends on --seed alone; times are what they were on the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import threading
import time
import traceback
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

GOODS = [
    "kettle",
    "lamp",
    "chair",
    "rug",
    "mug",
    "notebook",
    "scarf",
    "tent",
    "bicycle",
    "clock",
    "radio",
    "basket",
    "drill",
    "rope",
]
TOWNS = [
    "Utrecht",
    "Porto",
    "Gdansk",
    "Graz",
    "Bergen",
    "Turin",
    "Lyon",
    "Cork",
    "Aarhus",
    "Ghent",
    "Tartu",
    "Brno",
]
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "okhttp/4.12.0",
    "curl/8.5.0",
)


class Log:
    """JSON lines, of several threads, until enough bytes are written."""

    def __init__(self, out: TextIO, n_bytes: int) -> None:
        self._out, self._left, self._lock = out, n_bytes, threading.Lock()

    @property
    def is_full(self) -> bool:
        """Whether all bytes that were asked for are written."""
        return self._left <= 0

    def write(self, level: str, logger: str, message: str, **fields: Any) -> None:
        """Write a record with the time of now."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"time": now, "level": level, "logger": logger, "message": message, **fields}
        line = json.dumps(record) + "\n"
        with self._lock:
            if not self.is_full:
                self._out.write(line)
                self._left -= len(line)


class Shop:
    """What the service knows: goods and orders in a database, prices in a cache."""

    def __init__(self, log: Log) -> None:
        self.log, self._cache, self._lock = log, dict[int, tuple[str, int]](), threading.Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, cents INTEGER)")
        self._db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item INTEGER, town TEXT)")
        for i in range(200):
            self._db.execute(
                "INSERT INTO items VALUES (?, ?, ?)",
                (i, GOODS[i % len(GOODS)], 490 + 37 * i % 9000),
            )

    def item(self, request: str, number: int) -> tuple[str, int]:
        """Return an item's name and price. Raises KeyError."""
        if number in self._cache and number % 5:
            self.log.write("DEBUG", "shop.cache", "hit", request_id=request, key=f"item:{number}")
            return self._cache[number]
        rows = self._query(request, "SELECT name, cents FROM items WHERE id = ?", number)
        if not rows:
            raise KeyError(f"no item {number}")
        name, cents = rows[0]
        self._cache[number] = str(name), int(cents)
        return self._cache[number]

    def order(self, request: str, number: int, town: str) -> int:
        """Take an order, return its number. Raises KeyError, PermissionError."""
        _, cents = self.item(request, number)
        if (cents + len(town)) % 11 == 0:
            self.log.write(
                "WARNING", "shop.payment", "card declined", request_id=request,
                amount=cents / 100, currency="EUR", reason="insufficient_funds",
            )  # fmt: skip
            raise PermissionError("payment declined")
        self._query(request, "INSERT INTO orders (item, town) VALUES (?, ?)", number, town)
        return int(self._query(request, "SELECT max(id) FROM orders")[0][0])

    def _query(self, request: str, statement: str, *values: object) -> list[Any]:
        start = time.perf_counter()
        with self._lock:
            rows = self._db.execute(statement, values).fetchall()
        self.log.write(
            "DEBUG", "shop.db", statement, request_id=request, parameters=values,
            rows=len(rows), ms=round(1e3 * (time.perf_counter() - start), 3),
        )  # fmt: skip
        return rows


class Handler(BaseHTTPRequestHandler):
    """Answers a customer, and logs how it went."""

    shop: Shop

    def do_GET(self) -> None:
        """Show an item."""
        self._answer(lambda request, number: self.shop.item(request, number))

    def do_POST(self) -> None:
        """Take an order."""
        town = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._answer(lambda request, number: self.shop.order(request, number, town))

    def log_message(self, *_: object) -> None:
        """Write nothing: the log is ours."""

    def _answer(self, work: Any) -> None:
        request, start, status = uuid.uuid4().hex[:16], time.perf_counter(), 200
        try:
            body = json.dumps({"result": work(request, int(self.path.rpartition("/")[2]))})
        except (KeyError, PermissionError) as exc:
            status, body = (404 if isinstance(exc, KeyError) else 402), json.dumps(str(exc))
        except ValueError as exc:
            status, body = 500, "internal error"
            self.shop.log.write(
                "ERROR", "shop.http", "unhandled exception", request_id=request,
                error=repr(exc), traceback=traceback.format_exc(),
            )  # fmt: skip
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())
        self.shop.log.write(
            "INFO" if status < 500 else "ERROR", "shop.http", f"{self.command} {self.path}",
            request_id=request, status=status, bytes=len(body),
            ms=round(1e3 * (time.perf_counter() - start), 2),
            client=self.headers["X-Forwarded-For"], agent=self.headers["User-Agent"],
        )  # fmt: skip


def visit(port: int, seed: int, log: Log) -> None:
    """Be one customer after another, each from an address of its own."""
    chance = random.Random(seed)
    while not log.is_full:
        address = f"10.{chance.randrange(4)}.{chance.randrange(256)}.{chance.randrange(256)}"
        headers = {"User-Agent": chance.choice(AGENTS), "X-Forwarded-For": address}
        for _ in range(chance.randrange(1, 9)):
            number = int(chance.paretovariate(0.6)) % 230
            path = f"/items/{number if chance.random() > 0.02 else 'undefined'}"
            connection = HTTPConnection("127.0.0.1", port)
            if chance.random() < 0.2:
                connection.request("POST", f"/orders{path[6:]}", chance.choice(TOWNS), headers)
            else:
                connection.request("GET", path, headers=headers)
            connection.getresponse().read()
            connection.close()
            time.sleep(chance.expovariate(200))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the service and its customers until the log is as long as was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bytes", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with options.out.open("w", encoding="utf-8", newline="\n") as out:
        log = Log(out, options.bytes)
        Handler.shop = Shop(log)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        visitors = [
            threading.Thread(target=visit, args=(server.server_port, options.seed + i, log))
            for i in range(3)
        ]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
        server.shutdown()


if __name__ == "__main__":
    main()
