"""What a decoding step costs by its rows, as measured: what drafts are chosen by.

Of SmolLM2-135M with some 400 positions in view. No byte depends on these, so they need not be
right everywhere: they say where a guess of what comes next pays, and by how much it must.
"""

from __future__ import annotations

from llmzip.exact.cpu.ways import Way
from llmzip.exact.distribution import StepCosts

COSTS: dict[Way, StepCosts] = {
    # a guess: torch's products of few rows cost much beside what one more row does
    Way.PLAIN: StepCosts(few=8, row=0.2, more=0.3, lane=0.05),
    # six rows go through the weights at once
    Way.AVX2: StepCosts(few=6, row=0.17, more=0.28, lane=0.06),
    Way.VNNI: StepCosts(few=16, row=0.085, more=0.1, lane=0.03),
    # sixteen rows fill a tile; not measured
    Way.AMX: StepCosts(few=16, row=0.06, more=0.08, lane=0.04),
}
