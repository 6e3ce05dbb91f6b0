"""Account events of one subscription: core says whose they are, the plugin cannot know."""

from __future__ import annotations

import msgspec

from tickwire.feed.streams import Stream
from tickwire.model.account import AccountEvent
from tickwire.model.events import MarketEvent

__all__ = ["AccountStream"]


class AccountStream(Stream):
    """Orders, fills, balances or positions.

    Attributes:
        account: The feed's name, which stands for its key.
    """

    account = ""

    def _passed(self, event: MarketEvent | AccountEvent) -> None:
        super()._passed(msgspec.structs.replace(event, account=self.account))
