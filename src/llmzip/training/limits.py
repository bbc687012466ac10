"""What can be asked of training; numbers alone, for whoever only shows them."""

DEFAULT_MINUTES = 20.0
DEFAULT_RANK, MOST_RANK = 16, 256
LEAST_BYTES = 20_000
"""Of text, all told: from less nothing is learnt that would hold for other text."""
LEAST_SCRATCH_BYTES = 100_000
"""The same for a model that knows nothing yet."""
AUTO = "auto"
SIZES = ("small", "medium", "large")
"""Of models from scratch: see `sizes`."""
