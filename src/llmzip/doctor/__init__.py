"""What there is to say of this installation where llmzip is slow or broken, section by section.

What may end the process, as a library of another processor's does, is tried in one of its own.
Whatever fails is a finding, none an exception.
"""

from llmzip.doctor.examination import examine
from llmzip.doctor.findings import Finding, Section, State

__all__ = ["Finding", "Section", "State", "examine"]
