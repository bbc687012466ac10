"""Whatever fails is a line, and says what to do; the lines are the object's."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from importlib import metadata

import pytest

from llmzip.doctor import Finding, Section, State, devices, models, processor, versions
from llmzip.doctor.findings import looked_at
from llmzip.doctor.probe import LOOKS, _ended
from llmzip.errors import DeviceError
from llmzip.exact.cpu.ways import WAY_VARIABLE, Way, known_ways, runnable_ways
from llmzip.report.doctor import as_json, section_lines


def test_what_was_found_before_a_failure_is_kept() -> None:
    def look() -> Iterator[Finding]:
        yield Finding("a", "1")
        raise ModuleNotFoundError("No module named 'numba.core'", name="numba.core")

    first, second = looked_at("b", look)
    assert first == Finding("a", "1")
    assert (second.name, second.state) == ("b", State.WRONG)
    assert second.value == "ModuleNotFoundError: No module named 'numba.core'"
    assert second.advice == "pip install --force-reinstall numba"


def test_a_library_that_does_not_say_its_name_is_known_by_its_code() -> None:
    def look() -> Iterator[Finding]:
        exec("raise ImportError('no such symbol')", {"__name__": "torch.cuda"})
        yield Finding("never", "")

    (found,) = looked_at("a", look)
    assert found.advice == "pip install --force-reinstall torch"


def test_a_package_that_is_missing_or_half_there(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(versions, "version", version)
    monkeypatch.setattr(versions, "_is_found", lambda name: name not in ("torch", "numba"))
    found = {one.name: one for one in versions.look()}
    assert found["torch"].state is found["numba"].state is State.WRONG
    assert found["torch"].value == "not installed"
    assert found["torch"].advice == "pip install --force-reinstall torch"
    assert "its files are gone" in found["numba"].value
    assert found["numpy"].value == real("numpy")


def way(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Finding:
    for name in (WAY_VARIABLE, processor.ONEDNN_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return next(one for one in processor.look_at_ways() if one.name == "way")


def test_the_way_and_why_none_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    fastest = runnable_ways()[-1]
    plain = way(monkeypatch)
    assert plain.state is State.OK
    assert plain.value.startswith(fastest)
    if fastest is not known_ways()[-1]:
        assert f"{known_ways()[-1]} needs " in plain.value
    forced = way(monkeypatch, LLMZIP_WAY="plain")
    if fastest is not Way.PLAIN:
        assert forced.value == f"plain, because of LLMZIP_WAY; {fastest} is faster here"
        assert (forced.state, forced.advice) == (State.NOTE, "unset LLMZIP_WAY")
    with pytest.raises(DeviceError, match="unset LLMZIP_WAY"):
        way(monkeypatch, LLMZIP_WAY="nonsense")


def test_threads_that_are_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "usable_processors", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    cores = list(processor.look())[1]
    assert (cores.state, cores.advice) == (State.NOTE, "unset OMP_NUM_THREADS")
    assert cores.figures == {"cores": 8, "threads": 1}


def test_a_machine_that_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "usable_processors", lambda: 8)
    assert processor._load(5.9).state is State.OK
    assert processor._load(6.1).state is State.NOTE


def test_cuda_is_missed_only_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "why_no_cuda", lambda: "no driver")
    monkeypatch.delenv("LLMZIP_DEVICE", raising=False)
    assert [one.state for one in devices.look()] == [State.OK]
    monkeypatch.setenv("LLMZIP_DEVICE", "cuda")
    (found,) = devices.look()
    assert (found.state, found.advice) == (State.WRONG, "unset LLMZIP_DEVICE")


def test_cuda_without_triton_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "why_no_cuda", lambda: None)
    monkeypatch.setattr(devices, "_name", lambda: "a device")
    monkeypatch.setattr(devices, "find_spec", lambda _: None)
    name, kernels = devices.look()
    assert (name.value, kernels.state) == ("a device", State.NOTE)
    assert "llmzip[cuda]" in kernels.advice


def test_the_default_model_that_is_not_here(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMZIP_HOME", str(tmp_path_factory.mktemp("empty")))
    monkeypatch.setattr(models, "is_here", lambda _: False)
    (found,) = models.look()
    assert (found.state, found.advice) == (State.NOTE, "llmzip models pull")
    (speed,) = LOOKS["speed"]()
    assert speed.value == "not measured: smollm2-135m-text is not prepared here"


def test_a_process_that_a_signal_has_ended() -> None:
    found = _ended("kernels", -signal.SIGILL)
    assert found.state is State.WRONG
    assert f"signal {signal.SIGILL.value} (Illegal instruction)" in found.value
    assert "status 3" in _ended("kernels", 3).value


def test_lines_are_aligned_and_say_what_to_do() -> None:
    section = Section("caches", [Finding("a", "b\nc", State.NOTE, "do it", {"bytes": 3})])
    heading, line, advice = section_lines(section)
    assert heading == "Caches"
    assert line == f"  {'a':<16}  b c"
    assert advice.split() == ["->", "do", "it"]
    assert json.loads(json.dumps(as_json([section]))) == {
        "caches": [{"name": "a", "state": "note", "value": "b c", "advice": "do it", "bytes": 3}]
    }
