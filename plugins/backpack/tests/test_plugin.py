"""The hooks, called as core calls them: through a registry, selection and assembly."""

from __future__ import annotations

import pytest

from tickwire import Channel, CredentialsError, Instruments, ManualClock
from tickwire.plugin import BookStart, Network, Routing, SequenceRule, Stamp, Support, SymbolSource
from tickwire.plugin.assembly import Wiring, assemble
from tickwire.plugin.registry import Registry
from tickwire_backpack import plugin
from tickwire_backpack.auth import BackpackSigner
from tickwire_backpack.info import BACKPACK
from tickwire_backpack.routing import BackpackRouting
from tickwire_backpack.symbols import BackpackSymbols

SECRETS = {
    "api_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
    "api_secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}


class Keys:
    """Credentials that show nothing."""

    def __init__(self, **secrets: str) -> None:
        self._secrets = secrets

    def reveal(self, name: str) -> str:
        return self._secrets[name]

    def __repr__(self) -> str:
        return "<Keys>"


def wire(credentials: Keys | None, instruments: Instruments) -> Wiring:
    registry = Registry.of(backpack=plugin)
    return assemble(
        registry,
        registry.select("backpack"),
        options=BACKPACK.options_type(),
        network=Network(BACKPACK.rest, {name: (socket.url,) for name, socket in BACKPACK.sockets.items()}),
        credentials=credentials,
        clock=ManualClock(),
        instruments=instruments,
    )


def test_the_plugin_loads_and_claims_its_exchange() -> None:
    record = Registry.of(backpack=plugin).loaded("backpack")
    assert record.exchanges == (BACKPACK,)
    assert set(record.hooks) == {"tickwire_exchanges", "tickwire_symbols", "tickwire_auth", "tickwire_routing"}


def test_the_installed_plugin_is_found_by_its_entry_point() -> None:
    record = Registry.discover({}).loaded("backpack")
    assert (record.distribution, record.exchanges) == ("tickwire-backpack", (BACKPACK,))


def test_without_credentials_nothing_signs_and_all_else_is_there(instruments: Instruments) -> None:
    wiring = wire(None, instruments)
    assert wiring.suppliers == {"symbols": "backpack", "transport": "tickwire", "routing": "backpack"}
    assert wiring.signer is None
    assert isinstance(wiring.symbols, BackpackSymbols)
    assert isinstance(wiring.routing, BackpackRouting)
    assert (isinstance(wiring.symbols, SymbolSource), isinstance(wiring.routing, Routing)) == (True, True)


def test_with_credentials_the_signer_signs(instruments: Instruments) -> None:
    wiring = wire(Keys(**SECRETS), instruments)
    assert isinstance(wiring.signer, BackpackSigner)
    assert wiring.suppliers["auth"] == "backpack"
    assert all(secret not in repr(wiring) for secret in SECRETS.values())


def test_a_wrong_key_pair_is_refused_while_the_feed_is_assembled(instruments: Instruments) -> None:
    with pytest.raises(CredentialsError, match="does not belong to api_secret"):
        wire(Keys(**SECRETS | {"api_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}), instruments)


def test_what_is_declared_is_what_the_issue_offers() -> None:
    offered = {channel for channel, info in BACKPACK.channels.items() if info.support is Support.YES}
    assert offered == set(Channel) - {
        Channel.ORDERS, Channel.FILLS, Channel.BALANCES, Channel.POSITIONS, Channel.QUALITY,
    }  # fmt: skip
    assert BACKPACK.channels[Channel.FUNDING].shares is Channel.MARK_PRICE
    stamps = {channel: info.ts_event for channel, info in BACKPACK.channels.items()}
    assert {channel for channel in stamps if stamps[channel] is Stamp.PUBLISHED} == {
        Channel.TICKER, Channel.CANDLES, Channel.OPEN_INTEREST,
    }  # fmt: skip
    assert not any(info.acknowledged for info in BACKPACK.channels.values())
    assert BACKPACK.book is not None
    assert (BACKPACK.book.start, BACKPACK.book.sequence) == (BookStart.REST, SequenceRule.CONSECUTIVE)
    assert BACKPACK.book.windowed is False
    assert BACKPACK.book.checksum is None
