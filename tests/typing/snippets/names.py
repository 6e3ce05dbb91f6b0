"""The lazy name tables: a checker sees every name with its type, and no others."""

from decimal import Decimal
from typing import assert_type

import tickwire
import tickwire.native
import tickwire.plugin
from tickwire import ConfigError, Nanos, SymbolParts, TickwireError, UnknownExchangeError, parse_symbol
from tickwire.native import NativeSymbolService, Price

assert_type(tickwire.exact(98.97), Decimal)
assert_type(parse_symbol("BTC-USD:BTC-PERP"), SymbolParts)
wide: type[TickwireError] = UnknownExchangeError
narrow: type[UnknownExchangeError] = ConfigError  # E[assignment]: expression has type "type[ConfigError]"
when: Nanos = "2026-11-21"  # E[assignment]: variable has type "int"
price: Price = "98.97"  # E[assignment]: variable has type "float"
service: type[object] = NativeSymbolService
tier: tickwire.plugin.Tier = tickwire.plugin.Tier.NATIVE
tickwire.Fede  # E[attr-defined]: Module has no attribute "Fede"
tickwire.native.NativeFede  # E[attr-defined]: Module has no attribute "NativeFede"
tickwire.plugin.NativeMessageRouter  # E[attr-defined]: Module has no attribute "NativeMessageRouter"
tickwire.feed  # E[attr-defined]: Module has no attribute "feed"
raise ConfigError("exchange 'acme' is unknown")  # E[call-arg]: Missing named argument "hint"
