"""``tickwire doctor EXCHANGE``: who serves it, with what, and what is missing; no I/O but reading the config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import attrs
import typer

from tickwire.cli.masking import option_texts

if TYPE_CHECKING:
    from tickwire.model.channels import Channel
    from tickwire.model.errors import TickwireError
    from tickwire.plugin.assembly import Wiring
    from tickwire.plugin.info import ExchangeInfo
    from tickwire.plugin.protocols import Network
    from tickwire.plugin.registry import Registry
    from tickwire.plugin.selection import Selection
    from tickwire.run.settings import ExchangeConfig
    from tickwire.testing.report import Report

__all__ = ["doctor"]


def doctor(
    exchange: Annotated[str, typer.Argument(help="An exchange, or the name of an entry in the config.")],
    config: Annotated[Path | None, typer.Option("--config", help="Examine it as this config file sets it up.")] = None,
    plugin: Annotated[str | None, typer.Option("--plugin", help="Pin this plugin.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON document.")] = False,
) -> None:
    """Explain how an exchange would be served: plugin, strategies, channels, limits, settings. Connects to nothing.

    Example: tickwire doctor backpack
    """
    from tickwire.cli.layout import columns, print_json
    from tickwire.plugin.registry import Registry
    from tickwire.run.assembling import pin_of

    registry = Registry.discover()
    entry = _entry(exchange, config)
    selection = registry.select(entry.exchange, plugin or pin_of(entry, registry))
    case = _examine(registry, selection, entry, source=config.name if config is not None else "")
    if json:
        print_json(_data(case))
    else:
        print("\n".join(columns(_rows(case))))
    if case.problem is not None:
        raise case.problem


@attrs.frozen
class _Case:
    """All that is told; without a wiring there is a problem, without options it is theirs."""

    registry: Registry
    selection: Selection
    entry: ExchangeConfig
    network: Network
    options: Any = None
    wiring: Wiring | None = None
    problem: TickwireError | None = None

    @property
    def info(self) -> ExchangeInfo:
        return self.selection.claim.info

    @property
    def numbers(self) -> type:
        return Decimal if self.entry.numbers == "decimal" else float

    @property
    def suppliers(self) -> Mapping[str, str]:
        return self.wiring.suppliers if self.wiring is not None else {}

    @property
    def engine(self) -> str | None:
        return self._of_transport("engine")

    @property
    def engine_reason(self) -> str | None:
        return self._of_transport("engine_reason")

    # a plugin's own transport may say it or not
    def _of_transport(self, name: str) -> str | None:
        text = getattr(self.wiring.transport, name, None) if self.wiring is not None else None
        return text if isinstance(text, str) and text else None

    @property
    def credentials(self) -> Mapping[str, bool]:
        configured = set(self.entry.credentials or ())
        return {name: name in configured for name in sorted({*self.info.credentials, *configured})}

    @property
    def shown_options(self) -> Mapping[str, object]:
        return option_texts(self.options, self.entry.options)

    @property
    def rest(self) -> list[str]:
        return [_host(url, self.info.rest) for url in self.network.rest]

    @property
    def sockets(self) -> Mapping[str, list[str]]:
        declared = [endpoint.url for endpoint in self.info.sockets.values()]
        return {name: [_host(url, declared) for url in urls] for name, urls in self.network.websocket.items()}

    @property
    def proxy_rest(self) -> str | None:
        return _masked(self.network.proxy_rest)

    @property
    def proxy_sockets(self) -> str | None:
        return _masked(self.network.proxy_websocket)


def _entry(exchange: str, config: Path | None) -> ExchangeConfig:
    from tickwire.model.errors import ConfigError
    from tickwire.run.settings import ExchangeConfig

    if config is None:
        return ExchangeConfig(exchange, exchange, symbols=())
    from tickwire.run.config import load_config

    entries = load_config(config).exchanges
    named = [entry for entry in entries if entry.name == exchange]
    found = named or [entry for entry in entries if entry.exchange == exchange]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} entries for exchange {exchange!r}" if found else f"no exchange {exchange!r}"
    known = ", ".join(entry.name for entry in found or entries)
    raise ConfigError(what, hint=f"name one of {known}", path=config.name)


def _examine(registry: Registry, selection: Selection, entry: ExchangeConfig, *, source: str) -> _Case:
    from tickwire.model.clock import SystemClock
    from tickwire.model.errors import TickwireError
    from tickwire.model.instruments import Instruments
    from tickwire.plugin.assembly import assemble
    from tickwire.run.arguments import network_of
    from tickwire.run.mistakes import join_path
    from tickwire.run.structuring import structure_options

    info = selection.claim.info
    network = network_of(
        info,
        entry.endpoints.rest,
        entry.endpoints.websocket,
        proxy=entry.proxy,
        tls_ca_file=None if entry.tls.ca_file is None else str(entry.tls.ca_file),
        engine=entry.websocket.engine,
        compress=entry.websocket.compress,
        path=entry.path,
    )
    case = _Case(registry, selection, entry, network)
    try:
        path = join_path(source, f"{entry.path}.options")
        options: object = structure_options(info.options_type, entry.options, path)
        case = attrs.evolve(case, options=options)
        wiring = assemble(
            registry,
            selection,
            options=options,
            network=case.network,
            credentials=entry.credentials,
            clock=SystemClock(),
            instruments=Instruments(),
            extensions=entry.extensions,
        )
    except TickwireError as error:
        return attrs.evolve(case, problem=error)
    return attrs.evolve(case, wiring=wiring)


def _data(case: _Case) -> dict[str, object]:
    from tickwire.cli.loop import loop_words
    from tickwire.cli.plugins import claim_data, record_data

    return {
        "exchange": case.info.id,
        "claim": claim_data(case.selection.claim),
        "rule": case.selection.rule,
        "rejected": [claim_data(claim) for claim in case.selection.rejected],
        "strategies": case.suppliers,
        "engine": case.engine,
        "engine_reason": case.engine_reason,
        "event_loop": loop_words(),
        "extensions": list(case.entry.extensions),
        "channels": {
            channel: {**attrs.asdict(each), "is_verified": _is_verified(case, channel)}
            for channel, each in case.info.channels.items()
        },
        "book": _book_data(case.info),
        "limits": {name: attrs.asdict(limit) for name, limit in case.info.limits.items()},
        "credentials": case.credentials,
        "options": case.shown_options,
        "network": {
            "rest": case.rest,
            "websocket": case.sockets,
            "proxy_rest": case.proxy_rest,
            "proxy_websocket": case.proxy_sockets,
            "timeout": case.network.timeout,
        },
        "simulator": case.info.simulator,
        "conformance": _conformance_data(case),
        "docs_url": case.info.docs_url,
        "problem": str(case.problem) if case.problem is not None else None,
        "plugins": [record_data(record) for record in case.registry.records],
    }


def _book_data(info: ExchangeInfo) -> dict[str, object] | None:
    if info.book is None:
        return None
    rule = info.book.sequence
    return {**attrs.asdict(info.book), "sequence": rule if isinstance(rule, str) else "its own"}


def _is_verified(case: _Case, channel: Channel) -> bool | None:
    return case.info.is_verified(channel, case.numbers) if case.info.offers(channel) else None


def _rows(case: _Case) -> list[tuple[str, str]]:
    from tickwire.cli.declared import channel_table, limit_words
    from tickwire.cli.layout import columns
    from tickwire.cli.loop import loop_words

    info = case.info
    channels = columns(channel_table(info, case.numbers))
    options = [f"{name} = {value}" for name, value in case.shown_options.items()]
    rows = [
        (info.id, [_claim_words(case)]),
        ("strategies", [_strategy_words(case)]),
        ("channels", channels or ["none declared"]),
        ("credentials", [_credential_words(case)]),
        ("options", options or ["none"]),
        ("network", _network_words(case)),
        ("limits", [limit_words(info)]),
        ("event loop", [loop_words()]),
        ("simulator", [f"tickwire simulate {info.id}" if info.simulator else "none"]),
        ("conformance", [_conformance_words(case)]),
        ("documented", [info.docs_url] if info.docs_url else []),
        (
            "not used",
            [f"{record}, {record.status}: {record.reason}" for record in case.registry.records if record.reason],
        ),
    ]
    return [(name if number == 0 else "", line) for name, lines in rows for number, line in enumerate(lines)]


def _claim_words(case: _Case) -> str:
    claim, others = case.selection.claim, case.selection.rejected
    also = ", ".join(f"{other.plugin} ({other.info.tier})" for other in others)
    rivals = f"; also claimed by {also}" if also else ""
    return f"{claim.distribution} {claim.version}, {claim.info.tier}: {case.selection.rule}{rivals}"


def _strategy_words(case: _Case) -> str:
    if case.wiring is None:
        return "none: see the error"
    engine = f" ({'; '.join(filter(None, (case.engine, case.engine_reason)))})" if case.engine else ""
    words = [f"{name}: {case.suppliers[name]}{engine if name == 'transport' else ''}" for name in case.suppliers]
    return " · ".join(words) + ("" if "auth" in case.suppliers else f" · auth: {_unasked(case)}")


def _conformance_words(case: _Case) -> str:
    from tickwire.model.errors import DecodeError

    try:
        report = _report(case)
    except DecodeError as error:
        return str(error)
    if report is None:
        return "no report shipped: pytest --conformance-report conformance.json"
    version = case.selection.claim.version
    return f"{report}" + ("" if report.version == version else f" (installed: {version})")


def _conformance_data(case: _Case) -> object:
    import msgspec

    from tickwire.model.errors import DecodeError

    try:
        report = _report(case)
    except DecodeError as error:
        return {"problem": str(error)}
    return None if report is None else msgspec.to_builtins(report)


def _report(case: _Case) -> Report | None:
    from tickwire.testing.report import shipped_report

    name = str(getattr(case.registry.module(case.selection.claim.plugin), "__name__", ""))
    return shipped_report(name.rpartition(".")[0] or name, case.selection.claim.info.id)


def _unasked(case: _Case) -> str:
    names = [*case.entry.extensions, case.selection.claim.plugin]
    signing = [name for name in names if "tickwire_auth" in case.registry.record(name).hooks]
    return f"{' or '.join(signing)}, once credentials are set" if signing else "nobody signs"


def _credential_words(case: _Case) -> str:
    words = [f"{name} {'set' if is_set else 'not set'}" for name, is_set in case.credentials.items()]
    return " · ".join(words) or "none declared"


def _network_words(case: _Case) -> list[str]:
    return [
        f"rest {', '.join(case.rest) or 'none'}",
        *(f"{name} {', '.join(urls)}" for name, urls in case.sockets.items()),
        *_proxy_words(case),
    ]


def _proxy_words(case: _Case) -> list[str]:
    if case.entry.proxy is None:
        return []
    rest, sockets = (proxy or "none" for proxy in (case.proxy_rest, case.proxy_sockets))
    words = rest if rest == sockets else f"rest {rest}, sockets {sockets}"
    return [f"proxy {words}" + (" (of the environment)" if str(case.entry.proxy) == "env" else "")]


def _masked(proxy: str | None) -> str | None:
    from tickwire.run.proxies import Proxy

    return str(Proxy.parse(proxy)) if proxy else None


# A URL of the user's own may carry a key; those of the plugin are public.
def _host(url: str, declared: Iterable[str]) -> str:
    if url in declared:
        return url
    parts = urlsplit(url)
    rest = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"
