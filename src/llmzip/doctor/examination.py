"""All that is looked at, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from llmzip.doctor import caches, models, processor, versions
from llmzip.doctor.findings import Section, looked_at
from llmzip.doctor.probe import Probe


def examine(*, clean: bool, measure_speed: bool) -> Iterator[Section]:
    """Yield section after section, each once it has been looked at.

    clean: remove from the caches what is of no more use and not in use.
    measure_speed: of the default model, where it is prepared; that takes seconds.
    """
    with Probe() as probe:
        yield Section("versions", looked_at("versions", versions.look))
        own = looked_at("processor", processor.look)
        yield Section("processor", own + probe.ask("way"))
        yield Section("devices", probe.ask("CUDA"))
        yield Section("self-tests", probe.ask("kernels") + probe.ask("round trip"))
        found = looked_at("cache", partial(caches.look_at_models, clean=clean))
        found += probe.ask("kernel folder, cleaned" if clean else "kernel folder")
        yield Section("caches", found)
        yield Section("models", looked_at("models", models.look))
        if measure_speed:
            yield Section("speed", probe.ask("speed"))
