"""This package among the others, as ``pip`` installed it: who wins an id, and that looking imports no ccxt."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import tickwire_ccxt_generic.plugin
from tickwire import Registry, UnknownExchangeError, hookimpl
from tickwire.plugin import ExchangeInfo, Tier

_COMMAND = """
import sys
from tickwire.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("imported:", sorted({name.partition(".")[0] for name in sys.modules} & {"ccxt", "aiohttp"}), file=sys.stderr)
"""


def command(*arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout, done.stderr


def registry_with_a_native(exchange: str) -> Registry:
    class Native:
        @hookimpl
        def tickwire_exchanges(self) -> list[ExchangeInfo]:
            return [ExchangeInfo(exchange, Tier.NATIVE, (), {}, {}, {})]

    return Registry.of(ours=Native(), ccxt_generic=tickwire_ccxt_generic.plugin)


def test_the_native_plugin_wins_its_id_and_every_other_is_the_generic_ones() -> None:
    registry = registry_with_a_native("bitvavo")
    won = registry.select("bitvavo")
    assert (won.claim.plugin, won.rule) == ("ours", "native over generic")
    assert [claim.plugin for claim in won.rejected] == ["ccxt_generic"]
    assert registry.select("bitbank").claim.plugin == "ccxt_generic"


def test_a_pin_wins_over_the_native_plugin() -> None:
    won = registry_with_a_native("bitvavo").select("bitvavo", "ccxt_generic")
    assert (won.claim.plugin, won.rule) == ("ccxt_generic", "pinned by the user")


def test_an_id_that_nobody_has_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownExchangeError, match="did you mean bitvavo"):
        registry_with_a_native("bitvavo").select("bitvavoo")


def test_plugins_lists_it_without_importing_ccxt() -> None:
    out, err = command("plugins", "--json")
    (found,) = [each for each in json.loads(out)["plugins"] if each["name"] == "ccxt_generic"]
    assert (found["status"], found["distribution"]) == ("loaded", "tickwire-ccxt-generic")
    assert len(found["exchanges"]) == 104
    assert {each["tier"] for each in found["exchanges"]} == {"generic"}
    assert err == "imported: []\n"
