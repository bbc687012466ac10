"""The float predictor: both sides agree on one machine, and its files say which."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import llmzip
from llmzip import processors
from llmzip.coder import MAX_TOTAL, RangeDecoder, encode_lanes
from llmzip.errors import DeviceError, ModelUnsupportedError, UsageError
from llmzip.predict.float import FloatPredictor, frequencies, machine_tag
from llmzip.predict.windows import Window
from llmzip.torch_threads import require_threads

Ids = NDArray[np.int32]

TEXT = (Path(__file__).parents[2] / "LICENSE").read_bytes()[2000:2700]
WINDOW = Window(size=24, carry=8, bos_id=0)


@pytest.fixture(scope="module", params=["tiny_gpt2_folder", "tiny_llama_folder"])
def model(request: pytest.FixtureRequest) -> Any:
    from transformers import AutoModelForCausalLM

    folder: Path = request.getfixturevalue(request.param)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def chunks(model: Any) -> list[Ids]:
    rng = np.random.default_rng(20)
    sizes = (1, 23, 24, 25, 70)  # up to, at and far past the window
    return [rng.integers(0, model.config.vocab_size, n).astype(np.int32) for n in sizes]


def decode(predictor: FloatPredictor, payloads: list[bytes], sizes: list[int]) -> list[Ids]:
    """Decode all payloads side by side."""
    coder, lanes = RangeDecoder(len(payloads)), predictor.lanes(len(payloads))
    found: list[list[int]] = [[] for _ in payloads]
    for lane, payload in enumerate(payloads):
        coder.open(lane, payload)
        lanes.open(lane)
    for n in range(max(sizes)):
        running = np.array([lane for lane, size in enumerate(sizes) if size > n])
        totals = lanes.totals(running)
        ids, low, freq = lanes.find(running, coder.targets(running, totals))
        coder.consume(running, low, freq, totals)
        for lane, token in zip(running, ids.tolist(), strict=True):
            found[lane].append(token)
    for lane in range(len(payloads)):
        coder.close(lane)
    return [np.array(ids, dtype=np.int32) for ids in found]


def test_round_trip_past_the_window(model: Any, chunks: list[Ids]) -> None:
    predictor = FloatPredictor(model, WINDOW)
    payloads = encode_lanes(list(predictor.intervals(chunks)))
    decoded = decode(predictor, payloads, [chunk.size for chunk in chunks])
    assert [ids.tolist() for ids in decoded] == [chunk.tolist() for chunk in chunks]


def test_lanes_are_forgotten_when_opened_anew(model: Any, chunks: list[Ids]) -> None:
    lanes = FloatPredictor(model, WINDOW).lanes(1)
    lane = np.array([0])
    first = lanes.totals(lane)
    lanes.find(lane, first - np.uint64(1))
    lanes.open(0)
    assert lanes.totals(lane) == first


def test_intervals_keep_the_protocol(model: Any, chunks: list[Ids]) -> None:
    predictor = FloatPredictor(model, WINDOW)
    assert predictor.vocab_size == model.config.vocab_size
    for intervals in predictor.intervals(chunks):
        assert intervals.low.dtype == intervals.freq.dtype == intervals.total.dtype == np.uint64
        assert (intervals.freq >= 1).all()
        assert (intervals.low + intervals.freq <= intervals.total).all()
        assert (intervals.total <= MAX_TOTAL).all()


@torch.inference_mode()
def test_bits_are_the_models_cross_entropy(model: Any, chunks: list[Ids]) -> None:
    chunk = chunks[1]  # fits into one window
    (intervals,) = FloatPredictor(model, WINDOW).intervals([chunk])
    ids = torch.tensor([[WINDOW.bos_id, *chunk.tolist()]])
    loss = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1].double(), ids[0, 1:])
    assert intervals.bits == pytest.approx(float(loss) * chunk.size / np.log(2), rel=1e-4)
    coded = np.log2(intervals.total / intervals.freq).sum()
    assert coded == pytest.approx(intervals.bits, rel=1e-4)


def test_model_without_a_cache_is_fed_its_whole_context(model: Any, chunks: list[Ids]) -> None:
    class Forgetful(torch.nn.Module):
        config, device = model.config, model.device

        def forward(self, input_ids: torch.Tensor, past_key_values: None, use_cache: bool) -> Any:
            assert past_key_values is None
            output = model(input_ids=input_ids)
            output.past_key_values = None
            return output

    (usual,) = FloatPredictor(model, WINDOW).intervals(chunks[3:4])
    (other,) = FloatPredictor(Forgetful(), WINDOW).intervals(chunks[3:4])
    assert other.bits == pytest.approx(usual.bits, rel=1e-4)


def test_every_token_has_a_frequency() -> None:
    freq = frequencies(np.array([1.0, 0.0, 1e-300]))
    assert freq.tolist() == [2**32 + 1, 1, 1]


def test_predictions_that_are_no_numbers_are_refused(model: Any, chunks: list[Ids]) -> None:
    def broken(module: Any, args: Any, output: Any) -> Any:
        output.logits = output.logits * float("nan")
        return output

    hook = model.register_forward_hook(broken)
    try:
        with pytest.raises(ModelUnsupportedError, match="not finite"):
            list(FloatPredictor(model, WINDOW).intervals(chunks))
    finally:
        hook.remove()


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(torch, "get_num_threads", lambda: 1000),
        lambda patch: patch.setattr(torch, "__version__", "0.1"),
        lambda patch: patch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41"),
    ],
    ids=["threads", "version", "instructions"],
)
def test_tag_names_the_machine(
    model: Any,
    change: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tag = machine_tag(model)
    assert len(tag) == 8
    assert machine_tag(model) == tag
    change(monkeypatch)
    assert machine_tag(model) != tag


def in_another_thread(work: Callable[[], object]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def test_any_thread_computes_with_as_many_threads_as_the_tag_says(
    model: Any, chunks: list[Ids]
) -> None:
    n_threads = torch.get_num_threads()
    predictor = FloatPredictor(model, WINDOW)

    def elsewhere(use: Callable[[], object]) -> int:
        torch.set_num_threads(n_threads + 1)
        use()
        return torch.get_num_threads()

    def encode() -> object:
        return list(predictor.intervals(chunks[:1]))

    def decode() -> object:
        return predictor.lanes(1)

    for use in (encode, decode):
        assert in_another_thread(partial(elsewhere, use)) == n_threads


def test_the_machine_is_compared_before_the_model_is_loaded(
    tiny_gpt2_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(tiny_gpt2_folder)
    packed = llmzip.compress(TEXT, model=name, exact=False)
    assert llmzip.decompress(packed, model=name) == TEXT
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")  # another machine, to the tag
    with monkeypatch.context() as patch:
        patch.delattr("llmzip.models.load._load_model")
        with pytest.raises(DeviceError, match="only on the machine"):
            llmzip.decompress(packed, model=name)
    assert llmzip.decompress(packed, model=name, force_foreign=True) == TEXT


def test_another_number_of_threads_is_another_machine(tiny_gpt2_folder: Path) -> None:
    name = str(tiny_gpt2_folder)
    packed = llmzip.compress(TEXT, model=name, exact=False, threads=1)
    with pytest.raises(DeviceError, match="only on the machine"):
        in_another_thread(lambda: llmzip.decompress(packed, model=name, threads=2))
    assert llmzip.decompress(packed, model=name, threads=1) == TEXT


def test_threads_that_a_fork_has_lost_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmzip.torch_threads._torch_is_inherited", True)
    require_threads(1)
    with pytest.raises(UsageError, match="threads=1, or start processes by spawn"):
        require_threads(2)


STATEFUL: dict[str, dict[str, Any]] = {
    "mamba": {"hidden_size": 32, "state_size": 4, "num_hidden_layers": 2},
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32},
}


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_model_with_a_state_is_fed_each_token_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for those that a new window carries over; and the state says what the tokens would."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(kind, vocab_size=64, initializer_range=0.3, **STATEFUL[kind])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = AutoModelForCausalLM.from_config(config).float().eval()
    chunk = np.random.default_rng(3).integers(0, 64, 20).astype(np.int32)
    with torch.inference_mode():
        inputs = torch.from_numpy(np.concatenate([[0], chunk[:-1]]).astype(np.int64))
        wanted = model(inputs[None]).logits[0].double().log_softmax(-1)
    fed = []
    forward = model.forward

    def counted(*args: Any, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        fed.append(input_ids.shape[1])
        return forward(*args, input_ids=input_ids, **kwargs)

    counted.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(model, "forward", counted)
    found = next(FloatPredictor(model, WINDOW).intervals([chunk]))
    assert fed == [1] * 20
    own = -wanted[range(20), chunk.astype(np.int64)].sum() / np.log(2)
    assert found.bits == pytest.approx(float(own), rel=1e-4)
    assert machine_tag(model) != machine_tag(model.to(torch.float64))


def test_the_names_of_processors_tell_them_apart() -> None:
    arm = "processor : 0\nBogoMIPS : 243.75\nCPU implementer : 0x41\nCPU architecture: 8\n"
    first = arm + "CPU variant : 0x3\nCPU part : 0xd0c\nCPU revision : 1\n"
    both = first + first.replace("0xd0c", "0xd4f")
    names = [processors._told_by(text) for text in (first, both, first.replace("0xd0c", "0xd4f"))]
    assert names[0] == "implementer 0x41, part 0xd0c, variant 0x3, revision 1"
    assert len(set(names)) == 3
    assert processors._told_by("model name : A processor\nCPU part : 7\n") == "A processor"
    assert processors._told_by("processor : 0\n") == ""
    assert processors.processor_name()
