"""``ExchangeConformance``: every check, for one plugin."""

from __future__ import annotations

from tickwire.testing.auth import AuthChecks
from tickwire.testing.book import BookChecks
from tickwire.testing.declaration import DeclarationChecks
from tickwire.testing.faults import FaultChecks
from tickwire.testing.fetching import FetchingChecks
from tickwire.testing.hardening import HardeningChecks
from tickwire.testing.life import LifeChecks
from tickwire.testing.routing import RoutingChecks
from tickwire.testing.sequences import SequenceChecks
from tickwire.testing.subscribing import SubscribingChecks
from tickwire.testing.symbols import SymbolChecks
from tickwire.testing.values import ValueChecks

__all__ = ["ExchangeConformance"]


class ExchangeConformance(
    DeclarationChecks,
    SymbolChecks,
    AuthChecks,
    RoutingChecks,
    HardeningChecks,
    SubscribingChecks,
    FetchingChecks,
    BookChecks,
    ValueChecks,
    LifeChecks,
    FaultChecks,
    SequenceChecks,
):
    """All checks of the kit. Subclass it as ``class TestAcme``; what to write in it: ``Conformance``."""
