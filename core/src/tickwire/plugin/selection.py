"""Which plugin serves an exchange: the user's pin, else the one native claim, else the one generic claim.

A pure function of the claims, so the order of installation cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import attrs

from tickwire.model.errors import AmbiguousExchangeError, PluginLoadError, UnknownExchangeError
from tickwire.plugin.info import Tier
from tickwire.plugin.records import Claim

__all__ = ["Selection", "select"]

_GENERIC = "ccxt_generic"
_LISTED_AT_MOST = 12


@attrs.frozen
class Selection:
    """The claim that won.

    Attributes:
        claim: The winner.
        rule: Why, for people.
        rejected: The other claims on that exchange.
    """

    claim: Claim
    rule: str
    rejected: tuple[Claim, ...] = ()


def select(exchange: str, claims: Iterable[Claim], pin: str | None = None) -> Selection:
    """Choose who serves an exchange.

    Args:
        exchange: Its id.
        claims: All claims of all loaded plugins, in any order.
        pin: Name of the plugin that the user chose.

    Raises:
        UnknownExchangeError: Nobody claims it, or not the pinned plugin.
        AmbiguousExchangeError: Several of one tier claim it.
        PluginLoadError: No claim is the pinned plugin's.
    """
    everything = sorted(claims, key=lambda claim: (claim.info.id, claim.plugin))
    rivals = [claim for claim in everything if claim.info.id == exchange]
    if pin is not None:
        return _pinned(exchange, everything, rivals, pin)
    if not rivals:
        raise _unknown(exchange, everything)
    peers = [claim for claim in rivals if claim.info.tier is Tier.NATIVE] or rivals
    if len(peers) > 1:
        raise _ambiguous(exchange, peers, rivals)
    rejected = tuple(claim for claim in rivals if claim is not peers[0])
    return Selection(peers[0], "native over generic" if rejected else "the only plugin that serves it", rejected)


def _pinned(exchange: str, claims: list[Claim], rivals: list[Claim], pin: str) -> Selection:
    winner = next((claim for claim in rivals if claim.plugin == pin), None)
    if winner is not None:
        rejected = tuple(claim for claim in rivals if claim is not winner)
        return Selection(winner, "pinned by the user", rejected)
    served = [claim.info.id for claim in claims if claim.plugin == pin]
    if not served:
        raise not_installed(pin, [claim.plugin for claim in claims])
    others = " or ".join(f"pin plugin: {claim.plugin}" for claim in rivals)
    near = get_close_matches(exchange, served, n=1)
    raise UnknownExchangeError(
        f"plugin {pin!r} does not serve {exchange!r} (it serves: {_listed(served)})",
        hint=others or (f"did you mean {near[0]}?" if near else "name an exchange it serves, or remove the pin"),
    )


def not_installed(plugin: str, installed: Iterable[str]) -> PluginLoadError:
    """Say that no plugin has this name, and how to get it."""
    near = get_close_matches(plugin, set(installed), n=1)
    meant = f"did you mean {near[0]}? else " if near else ""
    return PluginLoadError(f"no installed plugin named {plugin!r}", hint=f"{meant}pip install {_package(plugin)}")


def _unknown(exchange: str, claims: list[Claim]) -> UnknownExchangeError:
    by_folded = {claim.info.id.casefold(): claim.info.id for claim in claims}
    near = get_close_matches(exchange.casefold(), by_folded, n=1, cutoff=0.75)
    meant = f"did you mean {by_folded[near[0]]}? else " if near else ""
    generic = "" if any(claim.plugin == _GENERIC for claim in claims) else f", or a generic one: {_install(_GENERIC)}"
    return UnknownExchangeError(
        f"no installed plugin serves {exchange!r}", hint=f"{meant}{_install(exchange)}{generic}"
    )


def _ambiguous(exchange: str, peers: list[Claim], rivals: list[Claim]) -> AmbiguousExchangeError:
    lines = " or ".join(f"plugin: {claim.plugin}" for claim in peers)
    return AmbiguousExchangeError(
        f"exchange {exchange!r} is claimed by plugins {', '.join(map(str, rivals))}",
        hint=f"choose one in the config: {lines}",
    )


def _install(name: str) -> str:
    return f"pip install {_package(name)}"


def _package(name: str) -> str:
    return f"tickwire-{name.casefold().replace('_', '-').removeprefix('tickwire-')}"


def _listed(names: list[str]) -> str:
    more = f", … {len(names) - _LISTED_AT_MOST} more" if len(names) > _LISTED_AT_MOST else ""
    return ", ".join(names[:_LISTED_AT_MOST]) + more
