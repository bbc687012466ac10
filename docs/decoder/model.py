"""EXACT.md, *The prepared form*: a model's folder, what it is hashed to, and what it begins."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from decoder.container import Chunk, Member
from decoder.cutting import Cutter
from decoder.forward import Array, Network, Shape
from decoder.lm import Alone, Learning, Window
from decoder.payloads import Payloads
from decoder.tokens import Tokens
from decoder.wire import RefusedError, require

TYPES = {"I8": "int8", "I16": "int16", "F32": "float32"}


class Decoding(Protocol):
    """A group of a member while it is being decoded."""

    def fresh(self) -> Decoding:
        """The same, to go on with independently."""

    def decode(self, chunks: list[Chunk]) -> list[bytes]:
        """The bytes of the next wave's chunks of lm kinds."""


class LanguageModel(Protocol):
    """What `decode` asks of a model."""

    def begin(self, member: Member, dictionary: bytes | None) -> Decoding:
        """The state in which each group of the member begins, refused if it is another model's."""


class Model:
    """A prepared model, from its folder."""

    def __init__(self, folder: Path) -> None:
        try:
            shape, tensors = read_safetensors(folder / "model.safetensors")
            self.tokens = Tokens((folder / "tokenizer.json").read_text(encoding="utf-8"))
            info = json.loads((folder / "info.json").read_text(encoding="utf-8"))["info"]
            self.bos, self.network = int(info["bos_id"]), Network(Shape(**shape), tensors)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise RefusedError(f"{folder} is not a prepared model ({exc})") from exc
        state = hashlib.sha256(digest(shape, tensors))
        state.update(self.tokens.fingerprint_bytes())
        state.update(f"\nbos {self.bos}".encode())
        self.fingerprint = state.digest()[:6]

    def begin(self, member: Member, dictionary: bytes | None) -> Payloads:
        """The state in which each group of the member begins, refused if it is another model's."""
        if member.model is not None:
            wanted = member.model.fingerprint
            require(member.model.machine is None, "made in floating point, for one machine only")
            require(
                wanted == self.fingerprint,
                f"made with {member.model.name or 'a model'} of fingerprint {wanted.hex()}; "
                f"this model has {self.fingerprint.hex()}",
            )
        size = min(member.window_tokens, self.network.shape.n_positions)
        window = Window(size, min(member.carry_tokens, size // 2), self.bos)
        if member.version == 1:
            return Payloads(Alone(self.network, window), self.tokens, self.bos)
        group = Learning(self.network, window)
        if member.mark is not None:
            if dictionary is None:
                raise RefusedError("made with a dictionary; give it")
            inner = hashlib.sha256(dictionary).digest()
            mark = hashlib.sha256(self.fingerprint + inner).digest()[:2]
            require(mark == member.mark, "made with another dictionary, or another model")
            group.know(Cutter(self.tokens).cut(dictionary))
        return Payloads(group, self.tokens, self.bos)


def read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The shape and the tensors of a file."""
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    metadata = header.pop("__metadata__")
    if metadata["engine"] != "2":
        raise ValueError(f"prepared for engine version {metadata['engine']}")
    tensors = {}
    for name, entry in header.items():
        first, end = (begin + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[first:end], dtype=np.dtype(TYPES[entry["dtype"]]))
        tensors[name] = values.reshape(entry["shape"])
    return json.loads(metadata["shape"]), tensors


def digest(shape: dict[str, Any], tensors: dict[str, Array]) -> bytes:
    """That of a prepared model (EXACT.md, *The fingerprint*)."""
    names = ["embedding", "embedding_scale", "positions", "cos", "sin"]
    names += [f"{name}{table}" for table in range(1, 4) for name in ("cos", "sin")]
    layers = range(shape["n_layers"])
    parts = "weight", "scale", "bias"
    for i in layers:
        names += [f"{i}.{one}.{part}" for one in ("qkv", "out", "up", "down") for part in parts]
        names += [f"{i}.{one}.gain" for one in ("heads", "qkv", "out", "up", "down")]
    names += [f"head.{part}" for part in (*parts, "gain")]
    state = hashlib.sha256(b"llmzip engine 2\n")
    state.update(json.dumps(shape, sort_keys=True).encode())
    for name in names:
        if name in tensors:
            values = tensors[name]
            state.update(f"\n{name} torch.{values.dtype} {values.shape}\n".encode())
            state.update(values.tobytes())
    return state.digest()
