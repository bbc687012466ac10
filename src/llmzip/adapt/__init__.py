"""What a group of chunks teaches while it is coded: n-grams, matches, and how far to trust them.

Token ids and integer frequencies in, integer frequencies out; knows no model and no files.
docs/ADAPT.md states the arithmetic.
"""

from llmzip.adapt.drafts import Least
from llmzip.adapt.learner import SLICE_TOKENS, Learner, Mixed, Rows
from llmzip.adapt.seats import Seats, Step

__all__ = ["SLICE_TOKENS", "Learner", "Least", "Mixed", "Rows", "Seats", "Step"]
