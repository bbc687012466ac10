"""A text without the model, which the model has to beat: coded only where that is in doubt.

The classical codecs take two or three microseconds a byte in one thread; a GPU takes the model
over a byte in less. What they would come to at least is known much sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from llmzip.container import Chunk


class Unaided:
    """A text as one chunk that needs no model. least, chunk: begin to find what they say.

    least: a size that the chunk hardly gets below; None where it is not worth asking, and coding
    begins at once.
    """

    def __init__(
        self, chunk: Callable[[], Future[Chunk]], least: Callable[[], Future[int]] | None = None
    ) -> None:
        self._begin = chunk
        self._least = None if least is None else least()
        self._chunk = chunk() if least is None else None

    def is_beaten_by(self, n_bytes: int) -> bool:
        """Whether so few bytes are fewer, as far as can be told without coding the text."""
        return self._least is not None and n_bytes < self._least.result()

    def result(self) -> Chunk:
        """Return the chunk, waiting for it."""
        self._chunk = self._chunk or self._begin()
        return self._chunk.result()
