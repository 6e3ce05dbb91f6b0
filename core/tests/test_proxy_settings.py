"""Proxies as users name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tickwire.model.errors import ConfigError
from tickwire.plugin.protocols import Network
from tickwire.run.arguments import network_of
from tickwire.run.proxies import Proxy

if TYPE_CHECKING:
    from conftest import Toy

HTTPS, WSS = ("https://api.acme.example",), ("wss://ws.acme.example",)


@pytest.mark.parametrize(
    "url", ["http://proxy:3128", "socks4://10.0.0.7:1080", "socks5://me:pw@h:1080/", "socks5h://[::1]:1080"]
)
def test_a_url_is_used_for_every_host(url: str) -> None:
    assert Proxy.parse(url).url_for(HTTPS, {"NO_PROXY": "*"}) == url


@pytest.mark.parametrize("url", ["", "proxy:3128", "http://proxy", "http://proxy:x", "http://:1", "http://h:1/x?y"])
def test_what_is_no_url_of_a_proxy_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^this is no proxy URL → write http://host:port, socks5://host:port, or"):
        Proxy.parse(url)


def test_a_password_is_never_shown() -> None:
    proxy = Proxy.parse("socks5://me:hunter2@10.0.0.7:1080")
    assert (str(proxy), repr(proxy)) == ("socks5://***@10.0.0.7:1080", "Proxy('socks5://***@10.0.0.7:1080')")
    network = Network(HTTPS, {}, proxy_rest=proxy.url_for(HTTPS), proxy_websocket=proxy.url_for(WSS))
    assert "hunter2" not in repr(network)


@pytest.mark.parametrize(
    ("environ", "https", "ws"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1", None),
        ({"https_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, "http://a:1", "http://b:1"),
        ({"ALL_PROXY": "socks5://c:1"}, "socks5://c:1", "socks5://c:1"),
        ({"ALL_PROXY": "socks5://c:1", "NO_PROXY": "acme.example"}, None, None),
        ({"ALL_PROXY": "socks5://c:1", "NO_PROXY": ".acme.example:80"}, "socks5://c:1", "socks5://c:1"),
        ({"ALL_PROXY": "socks5://c:1", "NO_PROXY": "me.example, *"}, None, None),
        ({"ALL_PROXY": "socks5://c:1", "NO_PROXY": "cme.example"}, "socks5://c:1", "socks5://c:1"),
    ],
)
def test_the_environment_is_read_as_other_programs_read_it(
    environ: dict[str, str], https: str | None, ws: str | None
) -> None:
    env = Proxy.parse("env")
    assert str(env) == "env"
    assert (env.url_for(HTTPS, environ), env.url_for(("ws://ws.acme.example",), environ)) == (https, ws)


def test_hosts_of_one_exchange_go_one_way() -> None:
    environ = {"ALL_PROXY": "socks5://c:1", "NO_PROXY": "a.example"}
    with pytest.raises(ConfigError, match="the environment's proxies differ between the hosts of one exchange"):
        Proxy.parse("env").url_for(("https://a.example", "https://b.example"), environ)


def test_a_variable_that_holds_no_proxy_is_an_error() -> None:
    with pytest.raises(ConfigError, match="this is no proxy URL"):
        Proxy.parse("env").url_for(HTTPS, {"ALL_PROXY": "proxy"})


def test_a_feed_hands_everything_to_its_transport(toy: Toy) -> None:
    network = network_of(
        toy.info, ["https://a", "https://b"], {"public": ["wss://c", "wss://d"]},
        proxy="socks5://10.0.0.7:1080", tls_ca_file="ca.pem", engine="picows", compress=True,
    )  # fmt: skip
    assert network == Network(
        ("https://a", "https://b"),
        {"public": ("wss://c", "wss://d"), "other": ("wss://toy.example/ws/other",)},
        "socks5://10.0.0.7:1080",
        "socks5://10.0.0.7:1080",
        engine="picows",
        tls_ca_file="ca.pem",
        compress=True,
    )
