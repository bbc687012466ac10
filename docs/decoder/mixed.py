"""FORMAT.md, *Mixed chunks*: bits predicted by mixed contexts. Tables are dictionaries."""

from __future__ import annotations

import math
from collections import defaultdict

from decoder.wire import require

M1, M2, M3, M4 = 0x2F0B4C47, 0x3D4D51CB, 0x2545F491, 0x1F35A7BD
WORD = 1 << 32
KEPT = [0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]


def scatter(k: int) -> int:
    """Spread a number over 32 bits."""
    return (k ^ k >> 15) * M3 % WORD


def squash(z: int) -> int:
    """A chance in units of 2^-16, of z from -2,048 to 2,047."""
    return round(65536 / (1 + math.exp(-z / 256)))


STRETCH = [
    max(-2047, min(2047, round(256 * math.log((2 * i + 1) / (8191 - 2 * i))))) for i in range(4096)
]


class Mixed:
    """A decoder of one chunk of `n` bytes."""

    def __init__(self, payload: bytes, n: int) -> None:
        self.payload, self.n, self.read = payload, n, 0
        self.low, self.high, self.code = 0, WORD - 1, 0
        for _ in range(4):
            self.code = self.code * 256 + self.byte()
        self.t = min(t for t in range(16, 27) if 1 << t >= 64 * n or t == 26)
        self.buckets: defaultdict[int, list[int]] = defaultdict(lambda: [0] * 16)
        self.chances: dict[tuple[int, int], int] = {}
        self.pairs: defaultdict[tuple[int, int], int] = defaultdict(lambda: 32768)
        self.weights: defaultdict[tuple[int, int], int] = defaultdict(lambda: 1 << 14)
        self.seconds: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.matched: dict[tuple[int, int], int] = {}
        self.refined: dict[tuple[int, int, int], int] = {}
        self.heads: dict[int, int] = {}
        self.place = self.length = 0
        self.word = self.previous = 0
        self.text = bytearray()
        self.line = self.line_before = 0  # where this line begins, and the one before it

    def byte(self) -> int:
        """The next byte; zeros without end follow the payload."""
        self.read += 1
        return self.payload[self.read - 1] if self.read <= len(self.payload) else 0

    def b(self, i: int) -> int:
        """The byte so many before the one to come."""
        return self.text[-i] if i <= len(self.text) else 0

    def c4(self) -> int:
        """The four bytes before."""
        return self.b(1) + (self.b(2) << 8) + (self.b(3) << 16) + (self.b(4) << 24)

    def decode(self) -> bytes:
        """The chunk's bytes."""
        while len(self.text) < self.n:
            if self.code == 0 and self.read >= len(self.payload):
                self.text += b"\xff" * (self.n - len(self.text))  # whatever is predicted
                break
            keys, node = self.keys(), 1
            for bit in range(8):
                if bit % 4 == 0:
                    found = [self.bucket(k, node) for k in keys]
                half = node if bit < 4 else 1 << bit - 4 | node % (1 << bit - 4)
                node = node * 2 + self.bit(found, node, half, bit)
            self.text.append(node % 256)
            self.note(node % 256)
        ends = [-(-self.low >> s) << s for s in (32, 24, 16, 8, 0)]
        end = next(e for e in ends if e <= self.high)
        require(self.code == end, "a mixed payload that ends as no encoder ends")
        require(len(self.payload) <= self.read, "a mixed payload longer than its bytes")
        require(not self.payload.endswith(b"\0"), "a mixed payload that ends with a zero")
        return bytes(self.text)

    def keys(self) -> list[int]:
        """The contexts' keys for the byte to come."""
        b, c4 = self.b, self.c4()
        column = len(self.text) - self.line
        place = self.line_before + column
        above = self.text[place] if place < self.line else 0
        four = c4 * M1 % WORD
        ks = [b(1), c4 % (1 << 16), c4 % (1 << 24), c4, four + b(5) * M2]
        ks += [four + (b(5) + 256 * b(6)) * M2, self.word + b(1), self.word * M1 + self.previous]
        ks += [above + 256 * min(column, 255), above + 256 * b(1), c4 // 256 % (1 << 16)]
        ks += [b(2) + 256 * b(4)]
        return [scatter((k % WORD * M2 + (i + 1) * M4) % WORD) for i, k in enumerate(ks)]

    def bucket(self, k: int, node: int) -> list[int]:
        """The check and the histories of a context in one half of a byte."""
        if node > 1:
            k = scatter((k + node * M4) % WORD)
        check, number = max(k % 256, 1), (k >> 8) % (1 << self.t - 4)
        for one in (number, number ^ 1):
            if self.buckets[one][0] == check:
                return self.buckets[one]
        seen = {one: sum(divmod(self.buckets[one][1], 16)) for one in (number, number ^ 1)}
        one = number if seen[number] <= seen[number ^ 1] else number ^ 1
        self.buckets[one][:] = [check] + [0] * 15
        return self.buckets[one]

    def expected(self, node: int, bit: int) -> int | None:
        """The bit that the match expects."""
        if not self.length:
            return None
        byte = self.text[self.place] | 256
        return byte >> 7 - bit & 1 if byte >> 8 - bit == node else None

    def chance(self, i: int, history: int) -> int:
        """That of a 1 after this history in context i, in units of 2^-22."""
        zeros, ones = divmod(history, 16)
        first = (1 << 22) * (2 * ones + 1) // (2 * zeros + 2 * ones + 2)
        return self.chances.setdefault((i, history), first)

    def bit(self, found: list[list[int]], node: int, half: int, bit: int) -> int:
        """Predict bit number `bit` of a byte from the contexts' buckets, decode it, learn it."""
        inputs = []
        for i, bucket in enumerate(found):
            inputs.append(STRETCH[self.chance(i, bucket[half]) >> 10])
        pair = self.b(1), node
        inputs.append(STRETCH[self.pairs[pair] >> 4])
        bit_to_come = self.expected(node, bit)
        c = self.length if self.length <= 32 else min(32 + (self.length - 32 >> 4), 63)
        match = c, bit_to_come or 0
        sure = 65536 * (c + 1) // (c + 2)
        chance = self.matched.setdefault(match, sure if bit_to_come else 65536 - sure)
        inputs += [0 if bit_to_come is None else STRETCH[chance >> 4], 256]
        s = 0 if bit_to_come is None else 1 if self.length < 16 else 2
        state = 64 * s + 8 * (self.b(1) >> 5) + bit
        z = sum(x * (self.weights[node, i] + self.seconds[state, i]) for i, x in enumerate(inputs))
        z = max(-2047, min(2047, z >> 16))
        q = squash(z)
        j, f = divmod(z + 2048, 128)
        two = [
            self.refined.setdefault((*pair, k), squash(min(128 * k, 4095) - 2048))
            for k in (j, j + 1)
        ]
        p = max(1, min(65535, q + (two[0] * (128 - f) + two[1] * f >> 7) >> 1))
        y = self.coded(p)
        for i, x in enumerate(inputs):
            change = x * 3 * (65536 * y - q) + (1 << 17) >> 18
            self.weights[node, i] += change
            self.seconds[state, i] += change
        k = j if f < 64 else j + 1
        self.refined[*pair, k] += 65535 * y - self.refined[*pair, k] >> 6
        self.pairs[pair] += 65535 * y - self.pairs[pair] >> 4
        if bit_to_come is not None:
            self.matched[match] += 65535 * y - chance >> 6
        for i, bucket in enumerate(found):
            chance = self.chance(i, bucket[half])
            self.chances[i, bucket[half]] += ((1 << 22) - 1) * y - chance >> 7
            counts = list(divmod(bucket[half], 16))
            counts = [min(c + 1, 15) if v == y else KEPT[c] for v, c in enumerate(counts)]
            bucket[half] = 16 * counts[0] + counts[1]
        return y

    def coded(self, p: int) -> int:
        """The next bit, p / 2^16 being the chance of a 1."""
        width = self.high - self.low
        middle = self.low + (width >> 16) * p + (width % 65536 * p >> 16)
        y = int(self.code <= middle)
        if y:
            self.high = middle
        else:
            self.low = middle + 1
        while self.low >> 24 == self.high >> 24:
            self.low = self.low * 256 % WORD
            self.high = self.high * 256 % WORD + 255
            self.code = self.code * 256 % WORD + self.byte()
        return y

    def note(self, byte: int) -> None:
        """Look for a match, and keep count of words and lines, behind the byte just coded."""
        b, text = self.b, self.text
        if self.length and text[self.place] == byte:
            self.length += 1
            self.place += 1
        else:
            self.length = 0
        head = (self.c4() * M1 % WORD + (b(5) + 256 * b(6)) * M2) % WORD >> 14
        if not self.length and head in self.heads:
            place, length = self.heads[head], 0
            while length < min(40, place) and text[place - 1 - length] == text[-1 - length]:
                length += 1
            if length >= 5:
                self.place, self.length = place, length
        self.heads[head] = len(text)
        if byte == 10:
            self.line_before, self.line = self.line, len(text)
        if byte >= 128 or chr(byte).isalnum():
            self.word = (self.word + byte + 1) * M1 % WORD
        elif self.word:
            self.previous, self.word = self.word, 0
