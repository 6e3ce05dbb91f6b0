"""What this plugin's tests share: recorded payloads, a few instruments, the key pair of the reference's vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tickwire import Instrument, Instruments, InstrumentType, ManualClock, SymbolParts
from tickwire_backpack.auth import BackpackSigner
from tickwire_backpack.routing import BackpackRouter, BackpackRouting

HERE = Path(__file__).parent
SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the bytes 00..1f
KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
PERP = InstrumentType.PERP


@pytest.fixture
def instruments() -> Instruments:
    parts = {
        "SOL_USDC": SymbolParts("SOL", "USDC"),
        "ETH_USDC": SymbolParts("ETH", "USDC"),
        "BTC_USDC": SymbolParts("BTC", "USDC"),
        "SOL_USDC_PERP": SymbolParts("SOL", "USDC", PERP, "USDC"),
        "ETH_USDC_PERP": SymbolParts("ETH", "USDC", PERP, "USDC"),
        "kPEPE_USDC_PERP": SymbolParts("kPEPE", "USDC", PERP, "USDC"),
        "AAPL.US_USDC_PERP": SymbolParts("AAPL.US", "USDC", PERP, "USDC"),
    }
    return Instruments(Instrument.of("backpack", native, one) for native, one in parts.items())


@pytest.fixture
def signer() -> BackpackSigner:
    return BackpackSigner(KEY, SEED, ManualClock(1_614_550_000_000_000_000))


@pytest.fixture
def router(instruments: Instruments) -> BackpackRouter:
    return BackpackRouter(instruments, None)


@pytest.fixture
def routing(instruments: Instruments) -> BackpackRouting:
    return BackpackRouting(instruments, None)


@pytest.fixture(scope="session")
def frames() -> Callable[[str], list[bytes]]:
    """Give the raw frames of ``frames/NAME.jsonl``, without its header."""
    return lambda name: (HERE / "frames" / f"{name}.jsonl").read_bytes().splitlines()[1:]


@pytest.fixture(scope="session")
def answer() -> Callable[[str], Any]:
    """Give the body of ``answers/NAME.json``, fresh each time."""
    return lambda name: json.loads((HERE / "answers" / f"{name}.json").read_text())["body"]
