"""What the container costs beyond the coder's payloads, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from container_samples import SMOLLM2, Item, by_hand, lm, read, stored, write

from llmzip.container import WELL_KNOWN, ModelRef, Options
from llmzip.models.catalog import CATALOG


@pytest.mark.parametrize("n_payload", [0, 12, 30, 100])
def test_a_short_text_pays_20_bytes(n_payload: int) -> None:
    file = write([[[lm(b"x" * 100, bytes(n_payload))]]])
    assert len(file) == 20 + n_payload


@pytest.mark.parametrize("item", [lm(b"four" * 50, bytes(60)), lm(b"four" * 2048, bytes(1200))])
@pytest.mark.parametrize("n_chunks", range(1, 9))
def test_n_chunks_pay_at_most_23_bytes_each(item: Item, n_chunks: int) -> None:
    """With the byte that a coder may add to a payload: 24, whatever their number."""
    file = write([[[item] * n_chunks]])
    n_beyond_payloads = len(file) - n_chunks * len(item[0].payload)
    assert n_beyond_payloads <= 23 * n_chunks
    assert n_beyond_payloads <= 22 + 10 * n_chunks


def test_a_table_of_several_kinds_pays_a_byte_more_for_each() -> None:
    one, two = lm(b"x" * 100, bytes(9)), stored(b"two")
    mixed, alike = write([[[one, two]]]), write([[[one, one]]])
    assert len(mixed) == len(alike) + 2 - 2 - 9 + 3  # kinds; two sizes fewer; other payload


@pytest.mark.parametrize("known", WELL_KNOWN.values())
def test_every_well_known_model_takes_one_byte(known: tuple[str, str]) -> None:
    model = ModelRef(*known, fingerprint=bytes(6))
    file = write([[[lm(b"x" * 100, bytes(20))]]], model=model)
    assert len(file) == 40
    assert model in read(file)


def test_well_known_models_are_the_catalog_of_names() -> None:
    assert dict(WELL_KNOWN.values()) == {e.name: str(e.source) for e in CATALOG.values()}


def test_a_name_from_elsewhere_is_spelled_out_where_it_does_not_count() -> None:
    local = ModelRef("gpt2", "local", bytes(6))
    assert local in read(write([[[lm(b"text" * 400, bytes(1024))]]], model=local))
    assert local in read(write([[[lm(b"text")], [lm(b"more")]]], model=local))
    tied = ModelRef("gpt2", "local", bytes(6), bytes(8))
    assert tied in read(write([[[lm(b"text")]]], model=tied))


@pytest.mark.parametrize("n_payload", [1, 1023])
def test_in_a_small_file_the_fingerprint_tells_a_model_of_ones_own(n_payload: int) -> None:
    local = ModelRef("service logs", "local", bytes(6))
    file = write([[[lm(b"text" * 400, bytes(n_payload))]]], model=local)
    assert len(file) <= 24 + n_payload
    assert local.nameless in read(file)
    assert local.nameless == ModelRef("", "local", bytes(6))
    elsewhere = ModelRef("logs", "hub:someone/logs", bytes(6))
    assert elsewhere in read(write([[[lm(b"text")]]], model=elsewhere))
    with pytest.raises(ValueError, match="name is not"):
        ModelRef("", "hub:someone/logs", bytes(6))
    with pytest.raises(ValueError, match="tied to a machine"):
        ModelRef("", "local", bytes(6), bytes(8))


def test_an_empty_text_takes_34_bytes() -> None:
    assert len(write([])) == 34


@pytest.mark.parametrize(("n_tokens", "n_payload"), [(2048, 1500), (4096, 16_000)])
def test_a_chunk_costs_at_most_12_bytes(n_tokens: int, n_payload: int) -> None:
    item = lm(b"four" * n_tokens, bytes(n_payload))
    options = Options(chunk_tokens=n_tokens)
    sizes = [len(write([[[item] * n] * 2], options)) - 2 * n * n_payload for n in (50, 100)]
    assert sizes[1] - sizes[0] <= 12 * 100 + 8


def test_a_long_text_pays_its_chunks_and_little_else() -> None:
    """Waves of 64 chunks, groups of a mebibyte."""
    item = lm(b"four" * 2048, bytes(1200))
    n_groups, n_chunks = 16, 128
    file = write([[[item] * 64] * (n_chunks // 64)] * n_groups)
    n_beyond_payloads = len(file) - n_groups * n_chunks * 1200
    assert n_beyond_payloads <= n_groups * (n_chunks * 11 + 40) + 80


@pytest.mark.parametrize("n_bytes", [1, 100, 1 << 16, (1 << 16) + 1, 1 << 20])
def test_a_stored_file_grows_by_at_most_64_bytes_and_a_thousandth(n_bytes: int) -> None:
    grown = len(write([[[stored(bytes(n_bytes))]]], model=None)) - n_bytes
    assert grown <= (13 if n_bytes <= 1 << 16 else 21)
    assert grown <= 64 + n_bytes / 1000


def test_options_that_differ_cost_what_they_take() -> None:
    assert len(by_hand(form=0x14, options=b"\x80\x01\x40\x20")) == len(by_hand()) + 4


def test_reading_files_imports_nothing_heavy() -> None:
    code = (
        "import sys, llmzip.container; "
        "heavy = {'torch', 'transformers', 'numba', 'tokenizers'} & set(sys.modules); "
        "sys.exit(', '.join(heavy) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_default_model_is_code_1() -> None:
    assert WELL_KNOWN[1] == (SMOLLM2.name, SMOLLM2.source)
