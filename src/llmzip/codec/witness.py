"""Who looks on while a text is compressed."""

from __future__ import annotations

from collections.abc import Mapping

from llmzip.codec.coded import CodedGroup
from llmzip.codec.groups import PreparedGroup, PreparedRun
from llmzip.codec.learning import Predicted


class Witness:
    """Somebody who wants to know more of a text than its file: this one does not."""

    def predicted(self, group: PreparedGroup, predicted: Mapping[PreparedRun, Predicted]) -> None:
        """Hear what the model has said of runs of a group; of some maybe again."""

    def written(self, group: PreparedGroup, coded: CodedGroup) -> None:
        """Hear what a group was written as."""
