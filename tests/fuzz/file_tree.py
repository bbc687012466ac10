"""A .llmz file as a tree that can be bent anywhere, and packed again with every CRC right.

A leaf is an int, written as a varint, or bytes, written as they are. A node is a list of leaves
and nodes; some nodes sign what they hold when they are packed: frames, payloads, compact members.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterator
from typing import Union

import xxhash

from decoder.container import LAYOUT, LISTED, LM_KINDS, STORED
from decoder.wire import Fields as Cursor
from decoder.wire import RefusedError

Item = Union["Node", int, bytes]

SIGNATURE = bytes.fromhex("894c4d")
WAVES = (3, 7)
END_MARK = bytes.fromhex("4d4c89")


def packed(item: Item) -> bytes:
    """Return the bytes of an item. Never fails, whatever the item has become."""
    if isinstance(item, Node):
        return item.pack()
    return item if isinstance(item, bytes) else varint(item)


def varint(value: int) -> bytes:
    """Return the number in the fewest bytes, numbers beyond the format's included."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def n_sizes(kind: int) -> int:
    """Return how many numbers the head of a chunk has."""
    return 1 if kind == STORED else 3 if kind in LM_KINDS else 2


class Node:
    """A list of items."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items

    def pack(self) -> bytes:
        return b"".join(map(packed, self.items))

    def copy(self) -> Node:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.items = [item.copy() if isinstance(item, Node) else item for item in self.items]
        return new

    def walk(self) -> Iterator[Node]:
        """Yield this node and all nodes below it."""
        yield self
        for item in self.items:
            if isinstance(item, Node):
                yield from item.walk()

    def nodes(self) -> list[Node]:
        """Return the nodes among its items."""
        return [item for item in self.items if isinstance(item, Node)]


class Head(Node):
    """A chunk's head: kind (empty where the form byte says it), sizes, checksum."""

    kind = STORED

    def set_payload(self, n_bytes: int) -> None:
        """Make the sizes agree with a payload of so many bytes, if the head is whole."""
        place = n_sizes(self.kind)
        if len(self.items) > place + 1:
            self.items[place] = n_bytes


class Frame(Node):
    """A record; packing it makes its length and its CRC-32.

    n_more: how much longer than it is it says to be.
    """

    tag = 0
    n_more = 0

    def pack(self) -> bytes:
        body = super().pack()
        whole = bytes([self.tag]) + varint(max(0, len(body) + self.n_more)) + body
        return whole + zlib.crc32(whole).to_bytes(4, "little")

    def heads(self) -> list[Head]:
        return [item for item in self.items if isinstance(item, Head)]


class Payloads(Node):
    """The payloads of a wave; packing them makes their CRC-32."""

    def pack(self) -> bytes:
        joined = super().pack()
        return joined + zlib.crc32(joined).to_bytes(4, "little")


class Program(Node):
    """The payload of a layout; packing it makes the checksum of its program."""

    def pack(self) -> bytes:
        joined = super().pack()
        return xxhash.xxh3_64_digest(joined[1:])[:4] + joined


class Compact(Node):
    """A compact member without its signature: a node of fields, a node of payloads."""

    has_table = False

    def pack(self) -> bytes:
        guarded, *rest = [packed(item) for item in self.items] or [b""]
        payload = b"".join(rest)
        if self.has_table:
            crc = zlib.crc32(guarded + payload).to_bytes(4, "little")
        else:
            crc = binascii.crc_hqx(guarded + payload, 0xFFFF).to_bytes(2, "little")
        return guarded + crc + payload


def dissect(file: bytes) -> Node:
    """Return the tree of a valid file: a node of members."""
    cursor = Cursor(file)
    members: list[Item] = []
    while cursor.at < len(file):
        signature = cursor.take(3)
        is_compact = file[cursor.at] & 0b1011
        items = [_compact(cursor)] if is_compact else _sequence(cursor)
        members.append(Node([signature, *items]))
    tree = Node(members)
    assert tree.pack() == file
    return tree


def _options(cursor: Cursor, form: int) -> list[Item]:
    options: list[Item] = [cursor.varint() for _ in range(3 if form & 4 else 0)]
    options += [cursor.take(2)] if form >> 4 & 7 == 3 else []
    return options + [cursor.varint() for _ in range(2 if form >> 7 else 0)]


def _compact(cursor: Cursor) -> Item:
    form = cursor.take(1)[0]
    fields: list[Item] = [bytes([form]), *_options(cursor, form)]
    fields += [cursor.take(1)] if form >> 4 in LISTED else []
    n_chunks = cursor.varint() if form & 8 else 1
    fields += [n_chunks] if form & 8 else []
    heads = [_head(cursor, (form & 3) - 1 if form & 3 else None) for _ in range(n_chunks)]
    fields += heads
    if any(head.kind in LM_KINDS for head in heads) and form >> 4 & 7 != 3:
        fields += _model(cursor)
    fields += [cursor.take(4)] if form & 8 else []
    cursor.take(4 if form & 8 else 2)
    member = Compact([Node(fields), Node([_payload(cursor, head) for head in heads])])
    member.has_table = bool(form & 8)
    return member


def _sequence(cursor: Cursor) -> list[Item]:
    form, body = cursor.frame()
    items: list[Item] = [_framed(form, _options(body, form))]
    while True:
        tag, body = cursor.frame()
        fields: list[Item] = []
        if tag == 1:
            fields = _model(body)
        elif tag in WAVES:
            heads = [_head(body, None) for _ in range(body.varint())]
            fields = [len(heads), *heads]
        elif tag == 4:
            fields = [body.varint(), body.varint(), body.take(8), body.varint()]
            n_groups = body.varint()
            entries: list[Item] = [Node([body.varint(), body.varint()]) for _ in range(n_groups)]
            fields += [n_groups, *entries]
        else:
            fields = [body.data]
        items.append(_framed(tag, fields))
        if tag in WAVES:
            items.append(Payloads([_payload(cursor, head) for head in heads]))
            cursor.take(4)
        if tag == 4:
            return [*items, cursor.take(4), cursor.take(3)]


def _framed(tag: int, fields: list[Item]) -> Frame:
    frame = Frame(fields)
    frame.tag = tag
    return frame


def _model(cursor: Cursor) -> list[Item]:
    code = cursor.take(1)
    fields: list[Item] = [code]
    for _ in range(0 if code[0] & 127 else 2):
        n = cursor.varint()
        fields += [n, cursor.take(n)]
    fields.append(cursor.take(6))
    return fields + ([cursor.take(8)] if code[0] & 128 else [])


def _head(cursor: Cursor, named: int | None) -> Head:
    code = b"" if named is not None else cursor.take(1)
    kind = code[0] if named is None else named
    if kind & 64:  # the number of a shortlist
        code, kind = code + cursor.take(1), kind - 64
    head = Head([code, *[cursor.varint() for _ in range(n_sizes(kind))], cursor.take(4)])
    head.kind = kind
    return head


def _payload(cursor: Cursor, head: Head) -> Item:
    """Take a payload; that of a layout whose program is stored, in its numbers."""
    payload = cursor.take(_n_payload(head))
    if head.kind != LAYOUT or payload[4] != 0:
        return payload
    numbers = Cursor(payload[5:])
    items: list[Item] = [payload[4:5]]
    try:
        while numbers.at < len(numbers.data):
            items.append(numbers.varint())
    except RefusedError:
        return payload
    program = Program(items)
    return program if program.pack() == payload else payload


def _n_payload(head: Head) -> int:
    size = head.items[-2]
    assert isinstance(size, int)
    return size


def repair_sizes(tree: Node) -> None:
    """Make counts of chunks and sizes of payloads agree with what is there."""
    for member in tree.nodes():
        nodes = member.nodes()
        for node, after in zip(nodes, [*nodes[1:], None], strict=False):
            if isinstance(node, Compact) and len(node.nodes()) == 2:
                _agree(node.nodes()[0], node.nodes()[1])
            elif isinstance(node, Frame) and isinstance(after, Payloads):
                _agree(node, after)


def _agree(table: Node, payloads: Node) -> None:
    heads = [item for item in table.items if isinstance(item, Head)]
    for head, payload in zip(heads, payloads.items, strict=False):
        head.set_payload(len(packed(payload)))
    if heads:
        before = table.items.index(heads[0]) - 1
        if before >= 0 and isinstance(table.items[before], int):
            table.items[before] = len(heads)


def repair_index(tree: Node) -> None:
    """Make the offsets, sizes and lengths at the end of sequences agree with what is there."""
    for member in tree.nodes():
        at, groups, model_at = 0, list[list[int]](), 0
        for place, item in enumerate(member.items):
            if isinstance(item, Frame):
                if item.tag == 1:
                    model_at = model_at or at
                elif item.tag == 2:
                    groups.append([at, 0])
                elif item.tag in WAVES and groups:
                    groups[-1][1] += _n_claimed(item)
                elif item.tag == 4:
                    _set_end(item, at, groups, model_at)
                    if place + 1 < len(member.items):
                        member.items[place + 1] = len(item.pack()).to_bytes(4, "little")
            at += len(packed(item))


def _n_claimed(frame: Frame) -> int:
    sizes = [head.items[1] for head in frame.heads() if len(head.items) > 1]
    return sum(size for size in sizes if isinstance(size, int))


def _set_end(frame: Frame, at: int, groups: list[list[int]], model_at: int) -> None:
    checksums = [item for item in frame.items if isinstance(item, bytes) and len(item) == 8]
    checksum = checksums[0] if checksums else bytes(8)
    entries: list[Item] = []
    last = 0
    for offset, n_bytes in groups:
        entries.append(Node([offset - last, n_bytes]))
        last = offset
    n_bytes = sum(n for _, n in groups)
    frame.items = [at, n_bytes, checksum, model_at, len(groups), *entries]
