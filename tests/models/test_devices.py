"""Which devices a setting names, on machines that this one is made to look like."""

from collections.abc import Callable

import psutil
import pytest
import torch

from core.model_errors import DeviceNotFound
from models.devices import Device, find_devices

CARDS = [  # name, free bytes, all bytes, compute capability
    ("NVIDIA T4", 10_500_000_000, 15_800_000_000, (7, 5)),
    ("NVIDIA A10", 20_000_000_000, 24_000_000_000, (8, 6)),
    ("NVIDIA H200", 120_000_000_000, 141_000_000_000, (9, 0)),
]
Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretend to be a machine with the first `cards` of CARDS, and perhaps an Apple GPU."""

    def card(index: int) -> tuple[str, int, int, tuple[int, int]]:
        if not 0 <= index < card.count:  # type: ignore[attr-defined]
            raise RuntimeError(f"CUDA error: invalid device ordinal {index}")
        return CARDS[index]

    def pretend(cards: int = 0, *, mps: bool = False, driver: bool = True) -> None:
        card.count = cards  # type: ignore[attr-defined]
        monkeypatch.setattr(torch.cuda, "is_available", lambda: driver and cards > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: card(index)[1:3])
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: card(index)[3])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: card(index)[0])
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cards", "mps", "wanted", "found"),
    [
        (0, False, "auto", ["cpu"]),
        (0, True, "auto", ["mps"]),
        (1, False, "auto", ["cuda:0"]),
        (2, True, "auto", ["cuda:0", "cuda:1"]),
        (2, True, "cpu", ["cpu"]),
        (2, True, "mps", ["mps"]),
        (2, False, "cuda", ["cuda:0", "cuda:1"]),
        (2, False, "cuda:0", ["cuda:0"]),
        (2, False, "cuda:1", ["cuda:1"]),
    ],
    ids=str,
)
def test_a_setting_names_devices(machine: Machine, cards: int, mps: bool, wanted: str, found: list[str]) -> None:
    machine(cards, mps=mps)
    devices = find_devices(wanted)
    assert [device.name for device in devices] == found
    assert {device.kind for device in devices} == {found[0].partition(":")[0]}
    for device in devices:
        assert torch.device(device.name).type == device.kind
        assert 0 < device.free_gb <= device.total_gb


@pytest.mark.parametrize(
    ("cards", "mps", "wanted"),
    [
        (0, False, "cuda"),
        (0, False, "cuda:0"),
        (1, False, "cuda:1"),
        (2, False, "cuda:5"),
        (2, False, "mps"),
        (0, True, "cuda"),
        (2, True, "tpu"),
        (2, True, ""),
        (2, True, "CPU"),
        (2, False, "cuda:"),
        (2, False, "cuda:first"),
        (2, False, "cpu:0"),
        (2, False, "cuda:-1"),
    ],
    ids=lambda value: str(value) or "empty",
)
def test_what_is_not_there_is_not_found(machine: Machine, cards: int, mps: bool, wanted: str) -> None:
    machine(cards, mps=mps)
    with pytest.raises(DeviceNotFound):
        find_devices(wanted)


def test_cards_without_a_driver_are_none(machine: Machine) -> None:
    machine(2, driver=False)
    assert [device.name for device in find_devices()] == ["cpu"]
    with pytest.raises(DeviceNotFound, match="cuda:0"):
        find_devices("cuda:0")


def test_cards_are_described_each_by_its_own_figures(machine: Machine) -> None:
    machine(3)
    assert find_devices("cuda") == [
        Device("cuda:0", "NVIDIA T4", 10.5, 15.8, bf16=False),
        Device("cuda:1", "NVIDIA A10", 20, 24, bf16=True),
        Device("cuda:2", "NVIDIA H200", 120, 141, bf16=True),
    ]


@pytest.mark.parametrize(
    ("avx512", "amx", "bf16"), [(False, False, False), (True, False, True), (False, True, True), (True, True, True)]
)
def test_a_processor_has_the_memory_that_is_left(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, avx512: bool, amx: bool, bf16: bool
) -> None:
    machine()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    (device,) = find_devices("cpu")
    memory = psutil.virtual_memory()
    assert device.bf16 is bf16
    assert device.total_gb == pytest.approx(memory.total / 1e9)
    assert device.free_gb == pytest.approx(memory.available / 1e9, abs=2)


def test_an_apple_gpu_leaves_memory_to_the_rest(machine: Machine) -> None:
    machine(mps=True)
    (device,) = find_devices("mps")
    (processor,) = find_devices("cpu")
    assert device.total_gb < 0.8 * processor.total_gb
    assert not device.bf16


def test_looking_at_this_machine_finds_something_to_compute_on() -> None:
    for device in find_devices():
        assert torch.ones(2, device=device.name).sum().item() == 2
