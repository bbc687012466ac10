"""Decoding bits as if they were a compressed text, and coding that text to get them back.

docs/SAMPLE.md defines all of it.
"""

from llmzip.sampling.walk import Rule, Walk
from llmzip.sampling.writing import bits_of, payload_of, text_of_payload, text_of_seed

__all__ = ["Rule", "Walk", "bits_of", "payload_of", "text_of_payload", "text_of_seed"]
