"""Bends files: raw, or through their fields with every CRC made right again.

`mutant` gives the same bytes for the same seed and number, so a number is a reproducer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from file_tree import Compact, Frame, Item, Node, dissect, packed, repair_index, repair_sizes

RAW_SHARE = 0.35
"""Of all inputs, how many are bent as plain bytes; the others are signed again."""

BOUNDARIES = sorted(
    {edge + d for edge in (0, 128, 1 << 14, 1 << 16, 1 << 20, 1 << 24, 1 << 26) for d in (-1, 0, 1)}
    - {-1}
    | {2, 3, 64, 65, 2047, 2049, 1 << 31, 1 << 32, (1 << 62) - 1, (1 << 63) - 1, 1 << 63, 1 << 70}
)


@dataclass(frozen=True)
class Mutant:
    """An input of the fuzzer."""

    data: bytes
    is_signed: bool


Finish = Callable[[Node, Random], None]


class Mutator:
    """Makes inputs out of `files`, which are valid. finish: what else is made right in a tree."""

    def __init__(self, files: Sequence[bytes], finish: Finish | None = None) -> None:
        self.files = list(files)
        self._trees = [dissect(file) for file in files]
        self._finish = finish

    def mutant(self, seed: int, number: int) -> Mutant:
        """Return input `number` of the sequence of `seed`."""
        chance = Random(f"{seed}/{number}")
        if chance.random() < RAW_SHARE:
            return Mutant(self._raw(chance), is_signed=False)
        return Mutant(self.bent(chance.choice(self._trees), chance), is_signed=True)

    def bent(self, of: Node, chance: Random) -> bytes:
        """Return a file bent through its fields and signed again."""
        tree = of.copy()
        for _ in range(1 + min(int(chance.expovariate(0.9)), 5)):
            self._bend(tree, chance)
        if chance.random() < 0.7:
            repair_sizes(tree)
        if self._finish is not None:
            self._finish(tree, chance)
        if chance.random() < 0.8:
            repair_index(tree)
        return tree.pack()

    def _raw(self, chance: Random) -> bytes:
        data = chance.choice(self.files)
        if chance.random() < 0.1:
            other = chance.choice(self.files)
            return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other)) :]
        for _ in range(1 + min(int(chance.expovariate(0.9)), 5)):
            data = bend_bytes(data, chance)
        return data

    def _bend(self, tree: Node, chance: Random) -> None:
        nodes = list(tree.walk())
        # the two outermost are the file and a member: seldom, for little else is reached then
        node = chance.choice(nodes[2:] if len(nodes) > 2 and chance.random() < 0.9 else nodes)
        if chance.random() < 0.15 and _bend_signed(node, chance):
            return
        if not node.items or chance.random() < 0.3:
            self._restructure(node, nodes, chance)
            return
        at = chance.randrange(len(node.items))
        item = node.items[at]
        if isinstance(item, Node):
            self._restructure(node, nodes, chance)
        else:
            node.items[at] = bend_leaf(item, chance)

    def _restructure(self, node: Node, nodes: list[Node], chance: Random) -> None:
        items = node.items
        at = chance.randrange(len(items) + 1)
        match chance.randrange(6):
            case 0 if items:
                del items[min(at, len(items) - 1)]
            case 1 if items:
                again = items[min(at, len(items) - 1)]
                items.insert(at, again.copy() if isinstance(again, Node) else again)
            case 2 if len(items) > 1:
                one, other = chance.sample(range(len(items)), 2)
                items[one], items[other] = items[other], items[one]
            case 3:  # splice: a part of this file or another
                donors = nodes if chance.random() < 0.3 else list(chance.choice(self._trees).walk())
                donor = chance.choice(donors).copy()
                alike = [other for other in donors if type(other) is type(node)]
                if alike and chance.random() < 0.6:
                    items[at:] = chance.choice(alike).copy().items[at:]
                else:
                    items.insert(at, donor)
            case 4:
                items.insert(at, chance.randbytes(chance.randrange(1, 9)))
            case _:
                del items[at:]


def _bend_signed(node: Node, chance: Random) -> bool:
    """Change what a node says of itself when it is packed; return whether it says anything."""
    if isinstance(node, Compact):
        node.has_table = not node.has_table
    elif isinstance(node, Frame) and chance.random() < 0.3:
        node.n_more = chance.choice([-1, 1, 2, 1 << 14, 1 << 26, 1 << 40])
    elif isinstance(node, Frame):
        node.tag = chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 0x10, 0x14, 0x20, 0x30, 0xFF])
    return isinstance(node, Compact | Frame)


def bend_leaf(item: Item, chance: Random) -> Item:
    """Return another number, or other bytes."""
    if not isinstance(item, int):
        data = packed(item)
        if len(data) == 1 and chance.random() < 0.7:  # kinds, codes, forms
            return bytes(
                [chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 0x20, 0x7F, 0x80, 0x81, 0x87, 0xFF])]
            )
        return bend_bytes(data, chance)
    match chance.randrange(5):
        case 0:
            return chance.choice(BOUNDARIES)
        case 1:
            return max(0, item + chance.choice([-2, -1, 1, 2]))
        case 2:
            return chance.randrange(300)
        case 3:
            return item * chance.choice([0, 2, 3, 16, 17, 256])
        case _:  # spelled in more bytes than needed
            data = packed(item)
            return data[:-1] + bytes([data[-1] | 0x80, 0])


def bend_bytes(data: bytes, chance: Random) -> bytes:
    """Return other bytes, near the given ones."""
    at = chance.randrange(len(data) + 1)
    n = 1 + min(int(chance.expovariate(0.5)), 20)
    match chance.randrange(8):
        case 0 | 1 if at < len(data):
            return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        case 2 if at < len(data):
            value = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
            return data[:at] + bytes([value]) + data[at + 1 :]
        case 3:
            return data[:at] + chance.randbytes(n) + data[at:]
        case 4:
            return data[:at] + data[at + n :]
        case 5:
            return data[:at] + data[max(0, at - n) : at] + data[at:]
        case 6:
            return data[:at]
        case _:
            to = chance.randrange(len(data) + 1)
            first, last = sorted((at, to))
            half = (first + last) // 2
            return data[:first] + data[half:last] + data[first:half] + data[last:]
