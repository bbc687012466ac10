"""Which device is chosen, and that torch is asked only where it may say yes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llmzip.errors import DeviceError
from llmzip.predict import devices
from llmzip.predict.devices import choose_device


@pytest.fixture(params=[False, True], ids=["without driver", "with driver"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    there: bool = request.param
    monkeypatch.setattr(devices, "_has_driver", lambda: there)
    monkeypatch.setattr(devices, "_ROCM", Path("/nowhere"))
    return there


@pytest.mark.parametrize("usable", [False, True])
def test_cuda_is_taken_where_there_is_a_driver_and_torch_can_use_it(
    driver: bool, usable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if driver and usable else "cpu")
    if driver and usable:
        assert choose_device("cuda") == "cuda"
    else:
        with pytest.raises(DeviceError, match=r"no CUDA device here .* use --device cpu"):
            choose_device("cuda")


def test_amds_devices_count_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "_has_driver", lambda: False)
    monkeypatch.setattr(devices, "_ROCM", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"


@pytest.mark.skipif(devices._has_driver() or devices._ROCM.exists(), reason="a driver is here")
def test_without_a_driver_torch_is_not_asked() -> None:
    program = (
        "import sys; from llmzip.predict.devices import choose_device; "
        "print(choose_device('auto'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["cpu", "False"], done.stderr
