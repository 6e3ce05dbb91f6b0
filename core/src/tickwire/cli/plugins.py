"""``tickwire plugins``: what is installed, what became of it, and who wins where several serve one exchange."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

if TYPE_CHECKING:
    from tickwire.plugin.registry import Claim, PluginRecord, Registry

__all__ = ["plugins"]

_HEAD = ("plugin", "distribution", "version", "status", "exchanges", "hooks", "note")
_NOTHING = "–"


def plugins(
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON document.")] = False,
) -> None:
    """List the installed plugins: what each serves, and why one is not used.

    Example: tickwire plugins --json
    """
    from tickwire.cli.layout import columns, print_json
    from tickwire.plugin.registry import Registry

    registry = Registry.discover(check=False)
    if json:
        records = [record_data(record) for record in registry.records]
        contests = [_contest_data(contest) for contest in _contests(registry)]
        print_json({"plugins": records, "contested": contests})
    else:
        print("\n".join(columns([_HEAD, *(_row(record) for record in registry.records)])))
        for contest in _contests(registry):
            print(_contest_line(contest))
    trouble = registry.trouble()
    if registry.is_strict and trouble is not None:
        print(f"TICKWIRE_STRICT: {trouble}", file=sys.stderr)
        raise typer.Exit(1)


def record_data(record: PluginRecord) -> dict[str, object]:
    """Give all that is known of a plugin as plain values."""
    return {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "status": record.status,
        "reason": record.reason,
        "is_core": record.is_core,
        "hooks": record.hooks,
        "wraps": record.wraps,
        "exchanges": [
            {"id": info.id, "tier": info.tier, "channels": {name: each.support for name, each in info.channels.items()}}
            for info in record.exchanges
        ],
        "sinks": [{"type": info.type, "summary": info.summary} for info in record.sinks],
    }


def claim_data(claim: Claim) -> dict[str, object]:
    """Give a claim as plain values."""
    return {
        "plugin": claim.plugin,
        "distribution": claim.distribution,
        "version": claim.version,
        "tier": claim.info.tier,
    }


def _row(record: PluginRecord) -> tuple[str, ...]:
    is_known = not record.reason
    return (
        record.name,
        record.distribution,
        record.version or "?",
        record.status,
        _served(record) if is_known else "?",
        _hooks(record) or _NOTHING if is_known else "?",
        record.reason or _note(record),
    )


def _served(record: PluginRecord) -> str:
    tiers = Counter(info.tier for info in record.exchanges)
    if tiers:
        return ", ".join(f"{count} {tier}" for tier, count in sorted(tiers.items(), reverse=True))
    return _NOTHING if record.is_default or record.sinks else "extension"


def _hooks(record: PluginRecord) -> str:
    shown = [hook for hook in record.hooks if hook != "tickwire_exchanges"]
    return " ".join(f"{_short(hook)} (wraps)" if hook in record.wraps else _short(hook) for hook in shown)


def _short(hook: str) -> str:
    return hook.removeprefix("tickwire_")


def _note(record: PluginRecord) -> str:
    sinks = f"sinks: {', '.join(info.type for info in record.sinks)}" if record.sinks else ""
    return " · ".join(filter(None, ["part of tickwire" if record.is_core else "", sinks]))


@attrs.frozen
class _Contest:
    """An exchange that several plugins claim; without a winner ``rule`` says what to write."""

    exchange: str
    claims: tuple[Claim, ...]
    winner: str | None
    rule: str


def _contests(registry: Registry) -> list[_Contest]:
    from tickwire.model.errors import AmbiguousExchangeError
    from tickwire.plugin.selection import select

    found: list[_Contest] = []
    for exchange, count in Counter(claim.info.id for claim in registry.claims).items():
        if count > 1:
            rivals = tuple(claim for claim in registry.claims if claim.info.id == exchange)
            try:
                selection = select(exchange, rivals)
                found.append(_Contest(exchange, rivals, selection.claim.plugin, selection.rule))
            except AmbiguousExchangeError as error:
                found.append(_Contest(exchange, rivals, None, error.hint or ""))
    return found


def _contest_data(contest: _Contest) -> dict[str, object]:
    return {
        "exchange": contest.exchange,
        "winner": contest.winner,
        "rule": contest.rule,
        "claims": [claim_data(claim) for claim in contest.claims],
    }


def _contest_line(contest: _Contest) -> str:
    if contest.winner is None:
        claimed = ", ".join(f"{claim.plugin} ({claim.info.tier})" for claim in contest.claims)
        return f"contested: {contest.exchange} → nobody, claimed by {claimed}; {contest.rule}"
    others = " or ".join(f"plugin: {claim.plugin}" for claim in contest.claims if claim.plugin != contest.winner)
    return f"contested: {contest.exchange} → {contest.winner} ({contest.rule}); pin with  {others}"
