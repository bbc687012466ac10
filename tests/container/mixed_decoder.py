"""Mixed chunks, decoded as docs/FORMAT.md says: dictionaries for tables, sharing no code."""

from __future__ import annotations

import math
from collections import defaultdict

M1, M2, M3, M4 = 0x2F0B4C47, 0x3D4D51CB, 0x2545F491, 0x1F35A7BD
WORD = 1 << 32
KEPT = [0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5]


def scatter(k: int) -> int:
    return (k ^ k >> 15) * M3 % WORD


def squash(z: int) -> int:
    return round(65536 / (1 + math.exp(-z / 256)))


def stretch(i: int) -> int:
    return max(-2047, min(2047, round(256 * math.log((2 * i + 1) / (8191 - 2 * i)))))


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
        self.text = b""

    def byte(self) -> int:
        self.read += 1
        return self.payload[self.read - 1] if self.read <= len(self.payload) else 0

    def b(self, i: int) -> int:
        return self.text[-i] if i <= len(self.text) else 0

    def decode(self) -> bytes:
        while len(self.text) < self.n:
            keys, node = self.keys(), 1
            for bit in range(8):
                if bit % 4 == 0:
                    found = [self.bucket(k, node) for k in keys]
                half = node if bit < 4 else 1 << bit - 4 | node % (1 << bit - 4)
                node = node * 2 + self.bit(found, node, half, bit)
            self.text += bytes([node % 256])
            self.note(node % 256)
        ends = [-(-self.low >> s) << s for s in (32, 24, 16, 8, 0)]
        end = next(e for e in ends if e <= self.high)
        assert self.code == end, "end of a mixed payload"
        assert len(self.payload) <= self.read, "surplus of a mixed payload"
        assert not self.payload.endswith(b"\0"), "zero at the end of a mixed payload"
        return self.text

    def keys(self) -> list[int]:
        b = self.b
        c4 = b(1) + (b(2) << 8) + (b(3) << 16) + (b(4) << 24)
        lines = self.text.split(b"\n")
        column = len(lines[-1])
        before = lines[-2] + b"\n" if len(lines) > 1 else b""
        above = before[column] if column < len(before) else 0
        four = c4 * M1 % WORD
        ks = [b(1), c4 % (1 << 16), c4 % (1 << 24), c4, four + b(5) * M2]
        ks += [four + (b(5) + 256 * b(6)) * M2, self.word + b(1), self.word * M1 + self.previous]
        ks += [above + 256 * min(column, 255), above + 256 * b(1), c4 // 256 % (1 << 16)]
        ks += [b(2) + 256 * b(4)]
        return [scatter((k % WORD * M2 + (i + 1) * M4) % WORD) for i, k in enumerate(ks)]

    def bucket(self, k: int, node: int) -> list[int]:
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
        if not self.length:
            return None
        byte = self.text[self.place] | 256
        return byte >> 7 - bit & 1 if byte >> 8 - bit == node else None

    def chance(self, i: int, history: int) -> int:
        zeros, ones = divmod(history, 16)
        first = (1 << 22) * (2 * ones + 1) // (2 * zeros + 2 * ones + 2)
        return self.chances.setdefault((i, history), first)

    def bit(self, found: list[list[int]], node: int, half: int, bit: int) -> int:
        inputs = []
        for i, bucket in enumerate(found):
            inputs.append(stretch(self.chance(i, bucket[half]) >> 10))
        pair = self.b(1), node
        inputs.append(stretch(self.pairs[pair] >> 4))
        bit_to_come = self.expected(node, bit)
        c = self.length if self.length <= 32 else min(32 + (self.length - 32 >> 4), 63)
        match = c, bit_to_come or 0
        sure = 65536 * (c + 1) // (c + 2)
        chance = self.matched.setdefault(match, sure if bit_to_come else 65536 - sure)
        inputs += [0 if bit_to_come is None else stretch(chance >> 4), 256]
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
        b, text = self.b, self.text
        if self.length and text[self.place] == byte:
            self.length += 1
            self.place += 1
        else:
            self.length = 0
        c4 = b(1) + (b(2) << 8) + (b(3) << 16) + (b(4) << 24)
        head = (c4 * M1 % WORD + (b(5) + 256 * b(6)) * M2) % WORD >> 14
        if not self.length and head in self.heads:
            place, length = self.heads[head], 0
            while length < min(40, place) and text[place - 1 - length] == text[-1 - length]:
                length += 1
            if length >= 5:
                self.place, self.length = place, length
        self.heads[head] = len(text)
        if byte >= 128 or (byte < 128 and chr(byte).isalnum()):
            self.word = (self.word + byte + 1) * M1 % WORD
        elif self.word:
            self.previous, self.word = self.word, 0
