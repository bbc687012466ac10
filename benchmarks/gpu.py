"""Everything that wants a GPU, in one command and a limited time: scripts/gpu OUT [--seconds N]

The tests of the CUDA engine, compiled; files made on CPU and GPU, exchanged and compared; megabytes
a second at several numbers of lanes and levels; where the time goes, kernel by kernel, beside the
device's limits; for the default model, if it is here, and a GPT-2 of 124 million random weights.
Each stage has a process and a time of its own, and those of most worth come first. OUT/report.md
and OUT/report.json hold what was found, and are written anew after each stage; OUT/log.txt holds
all that was said. Without a GPU, stages are skipped, or rehearsed with a model of some thousand
weights on the CPU and in Triton's interpreter: then no speed means anything.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gpu_budget import Budget
from gpu_plan import CUDA, Plan, rehearsal
from gpu_processes import Running, start
from gpu_report import DONE, FAILED, LATE, SKIPPED, Outcome, Report
from gpu_stages import STAGES, Stage
from llmzip.bench import machine
from script_options import names_among, numbers

DEFAULT_MODEL = "smollm2-135m-text"
DEFAULT_TEXT = Path(__file__).parent / "data" / "alice-1-3.txt"
NO_DEVICE = "no CUDA device"
REHEARSAL_S = 300.0
"""What a stage may take without a device: Triton's interpreter is slow, and nothing is urgent."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages; return 1 if one has failed or was stopped, else 0."""
    options = parse(arguments)
    plan = Plan(CUDA, options.model, options.text, options.keep, options.lanes, options.levels)
    options.out.mkdir(parents=True, exist_ok=True)
    plan.keep.mkdir(parents=True, exist_ok=True, mode=0o700)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    budget = Budget.starting_now(options.seconds)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(plan, budget, options.out, Path(folder))
        try:
            run.all([stage for stage in STAGES[1:] if stage.name in options.only])
        finally:
            run.stop()
    run.report.write(options.out)
    print(run.report.markdown())
    bad = [o for o in run.report.outcomes if o.state in (FAILED, LATE)]
    return 1 if bad else 0


class Run:
    """The stages, in order. folder: for what their processes write."""

    def __init__(self, plan: Plan, budget: Budget, out: Path, folder: Path) -> None:
        self.report = Report(machine.describe())
        self._plan, self._budget, self._out, self._folder = plan, budget, out, folder
        self._beside: dict[str, tuple[Running, float]] = {}
        self._has_device = False
        (out / "log.txt").write_text("", encoding="utf-8")

    def all(self, stages: Sequence[Stage]) -> None:
        """Look for a device, then run `stages`, those that go on beside others included."""
        self._look()
        for stage in stages:
            why = self._why_not(stage)
            most_s = stage.most_s if self._has_device else max(stage.most_s, REHEARSAL_S)
            allowed_s = self._budget.allowed_s(most_s)
            if why is None and allowed_s is None:
                why = f"no time is left for it; {stage.most_s:.0f} s would be"
            if why is not None or allowed_s is None:
                self._note(Outcome(stage.name, SKIPPED, why=why or ""))
                continue
            until_s = time.monotonic() + allowed_s
            running = start(stage.name, self._plan_of(stage), self._folder)
            self._beside[stage.name] = running, until_s
            if not stage.beside:
                self._end(stage.name)
        for name in list(self._beside):
            self._end(name)

    def stop(self) -> None:
        """End what is still at work."""
        for running, _ in self._beside.values():
            running.stop()

    def _look(self) -> None:
        """Run the stage that looks for a device."""
        stage, *_ = STAGES
        running = start(stage.name, self._plan, self._folder)
        self._beside[stage.name] = running, time.monotonic() + stage.most_s
        self._end(stage.name)
        found = self.report.outcomes[0].found
        self._has_device = any(one.what == "name" for one in found)

    def _plan_of(self, stage: Stage) -> Plan:
        """What a stage is told: without a device, to rehearse."""
        if self._has_device or stage.without_device is None:
            return self._plan
        return rehearsal(self._plan, stage.without_device)

    def _why_not(self, stage: Stage) -> str | None:
        """Why a stage cannot run, if so; waits for what it needs."""
        if not self._has_device and stage.without_device is None:
            return NO_DEVICE
        for need in stage.needs:
            if need in self._beside:
                self._end(need)
            for outcome in self.report.outcomes:
                if outcome.stage == need and outcome.state != DONE:
                    return f"{need}: {outcome.state}: {outcome.why}"
        return None

    def _end(self, name: str) -> None:
        """Wait for a stage and take down what it has found."""
        running, until_s = self._beside[name]
        outcome = running.outcome(until_s)
        del self._beside[name]
        with (self._out / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"==== {name}\n{running.log.read_text('utf-8', 'replace')}\n")
        rehearsed = not self._has_device and outcome.state == DONE and name != STAGES[0].name
        self._note(replace(outcome, why=f"{NO_DEVICE}: rehearsed") if rehearsed else outcome)

    def _note(self, outcome: Outcome) -> None:
        self.report.outcomes.append(outcome)
        self.report.write(self._out)
        words = f"{outcome.stage}: {outcome.state}, {outcome.seconds:.0f} s {outcome.why}"
        print(words.rstrip(), file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    names = tuple(stage.name for stage in STAGES[1:])
    made = argparse.ArgumentParser(prog="scripts/gpu", description=__doc__)
    made.add_argument("out", type=Path, metavar="OUT", help="a folder for the report")
    made.add_argument("--seconds", type=float, default=480, help="for all of it (480)")
    made.add_argument("--only", type=names_among(names), default=names, metavar="STAGE,...")
    made.add_argument("--model", default=DEFAULT_MODEL, help="a name, a folder or a .gguf file")
    made.add_argument("--text", type=Path, default=DEFAULT_TEXT, help="what files are made of")
    made.add_argument("--keep", type=Path, default=_cache(), help="for what is made once")
    made.add_argument("--lanes", type=numbers, default=(64, 512, 4096), metavar="N,...")
    made.add_argument("--levels", type=numbers, default=(1, 5), metavar="N,...")
    return made.parse_args(arguments)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmzip-gpu"


if __name__ == "__main__":
    sys.exit(main())
