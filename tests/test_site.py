"""The documentation's site has every page, and the pages made from the code tell of every key and every option."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from tickwire.cli.main import app
from tickwire.plugin.registry import Registry
from tickwire.run.entries import Document, ExchangeEntry, RecoveryEntry, ServeEntry, SinkEntry
from tickwire.run.settings import (
    EndpointsConfig,
    InstrumentsConfig,
    LogConfig,
    RestConfig,
    TlsConfig,
    WebsocketConfig,
)

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "site"
RECORDS = {
    "instruments.": InstrumentsConfig,
    "log.": LogConfig,
    "recovery.": RecoveryEntry,
    "serve.": ServeEntry,
    "endpoints.": EndpointsConfig,
    "rest.": RestConfig,
    "websocket.": WebsocketConfig,
    "tls.": TlsConfig,
}


@pytest.fixture(scope="module")
def site() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SITE))
        yield import_module("pages")
    for path in SITE.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture(scope="module")
def pages(site: Any) -> dict[str, str]:
    found: dict[str, str] = site.pages()
    return found


def sections(page: str) -> dict[str, str]:
    titles = re.split(r"^## (.*)\n", page, flags=re.MULTILINE)
    return dict(zip(titles[1::2], titles[2::2], strict=True))


def rows(section: str) -> dict[str, list[str]]:
    found = re.findall(r"^\| `([^`]*)` \| (.*) \|$", section, re.MULTILINE)
    return {name: [cell.strip() for cell in re.split(r" \| ", rest)] for name, rest in found}


def keys(record: type[attrs.AttrsInstance], prefix: str = "") -> set[str]:
    return {f"{prefix}{field.name.removesuffix('_')}" for field in attrs.fields(record)}


def in_navigation(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else in_navigation(value)


def test_every_page_stands_in_the_navigation_once(pages: dict[str, str]) -> None:
    navigation = list(in_navigation(yaml.safe_load((SITE / "mkdocs.yml").read_text())["nav"]))
    assert sorted(navigation) == sorted(pages)
    documents = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert documents <= set(navigation)


def test_every_key_of_a_config_file_has_its_row(pages: dict[str, str]) -> None:
    found = sections(pages["configuration-keys.md"])
    nested = {key for prefix, record in RECORDS.items() for key in keys(record, prefix)}
    listed = set(rows(found["The file"])) | set(rows(found["`exchanges.*`"]))
    assert listed == keys(Document) | keys(ExchangeEntry) | nested
    assert set(rows(found["`sinks.*`"])) == keys(SinkEntry) - {"options"}


def test_every_key_of_every_installed_sink_has_its_row(pages: dict[str, str]) -> None:
    found = sections(pages["configuration-keys.md"])
    sinks = Registry.discover().sinks
    assert {name: set(rows(found[f"`sinks.*, type: {name}`"])) for name in sinks} == {
        name: keys(sink.options_type) for name, sink in sinks.items()
    }


def test_every_row_has_a_type_and_a_meaning(pages: dict[str, str]) -> None:
    page = pages["configuration-keys.md"]
    assert [name for name, (kind, _, meaning) in rows(page).items() if not kind or not meaning] == []


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("symbols", ["list of text", "*needed*"]),
        ("recovery.hold", ["duration", "`15s`"]),
        ("websocket.compress", ["`true` or `false`", "`false`"]),
        ("queue", ["whole number", "`65536`"]),
    ],
)
def test_a_row_says_type_and_default(pages: dict[str, str], key: str, row: list[str]) -> None:
    assert rows(pages["configuration-keys.md"])[key][:2] == row


def test_every_command_has_its_section_with_all_options_and_an_example(pages: dict[str, str]) -> None:
    import typer.main

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    found = sections(pages["cli-options.md"])
    assert list(found) == [f"`tickwire {name}`" for name in commands]
    for name, command in commands.items():
        listed = rows(found[f"`tickwire {name}`"])
        options = {word for first in listed for word in re.findall(r"(?<![\w-])--?[a-z][\w-]*", first)}
        wanted = [word for one in command.params for word in [*one.opts, *one.secondary_opts] if word[0] == "-"]
        assert options == {*wanted, "--help"}, name
        assert [first for first, (_, meaning) in listed.items() if not meaning] == []
        assert re.search(rf"^```sh\ntickwire {name}\b", found[f"`tickwire {name}`"], re.MULTILINE)


def test_an_option_says_its_default_and_an_argument_that_it_is_needed(pages: dict[str, str]) -> None:
    listed = rows(sections(pages["cli-options.md"])["`tickwire simulate`"])
    assert listed["EXCHANGE <str>"] == ["*needed*", "Its id, e.g. backpack."]
    assert listed["--seed <int>"] == ["`0`", "The same seed gives the same market."]


def test_links_lead_from_page_to_page_and_what_is_no_page_is_named(site: Any) -> None:
    places = {"README.md": "index.md", "docs/hooks.md": "hooks.md", "docs/exchanges/a.md": "exchanges/a.md"}
    text = "[A](docs/exchanges/a.md#b) [`x/`](x/) [it](x/README.md)\n```sh\n[[ -f ](docs/hooks.md) ]]\n```\n[web](https://x)"
    turned = "[A](exchanges/a.md#b) `x/` it (`x/README.md`)\n```sh\n[[ -f ](docs/hooks.md) ]]\n```\n[web](https://x)"
    assert site.with_links(text, "README.md", places) == turned
    assert site.with_links("[h](../hooks.md) [r](../../README.md)", "docs/exchanges/a.md", places) == (
        "[h](../hooks.md) [r](../index.md)"
    )


def test_no_link_of_a_page_leads_off_the_site(pages: dict[str, str]) -> None:
    for place, text in pages.items():
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", re.sub(r"(?ms)^```.*?^```$", "", text)):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(place), target)) in pages, place


def test_every_exchange_of_ccxt_has_a_row_that_says_what_is_verified(pages: dict[str, str]) -> None:
    found = rows(pages["ccxt-exchanges.md"])
    generic = [info.id for info in Registry.discover().record("ccxt_generic").exchanges]
    assert list(found) == generic
    assert [found["backpack"][0], found["backpack"][1], found["backpack"][2]] == ["verified", "filled", "verified"]
    assert [found["bitvavo"][0], found["bitvavo"][2]] == ["unverified", "unverified"]
    assert [found["zaif"][0], found["zaif"][2]] == ["polled", "polled"]
