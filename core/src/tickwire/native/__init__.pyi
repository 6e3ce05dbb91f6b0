"""The toolkit's public names, for type checkers; ``__init__.py`` imports them lazily."""

from tickwire.native.auth import Ed25519Signer as Ed25519Signer
from tickwire.native.auth import HmacSigner as HmacSigner
from tickwire.native.auth import SignatureHeaders as SignatureHeaders
from tickwire.native.decimals import decoder_for as decoder_for
from tickwire.native.health import Health as Health
from tickwire.native.health import HealthStatus as HealthStatus
from tickwire.native.metrics import Counter as Counter
from tickwire.native.metrics import Gauge as Gauge
from tickwire.native.metrics import Metrics as Metrics
from tickwire.native.rest import NativeRestClient as NativeRestClient
from tickwire.native.router import Handled as Handled
from tickwire.native.router import NativeMessageRouter as NativeMessageRouter
from tickwire.native.router import handles as handles
from tickwire.native.routing import NativeRouting as NativeRouting
from tickwire.native.routing import instrument_of as instrument_of
from tickwire.native.symbols import NativeMarket as NativeMarket
from tickwire.native.symbols import NativeSymbolService as NativeSymbolService
from tickwire.native.times import rfc3339_nanos as rfc3339_nanos
from tickwire.native.transport import NativeTransport as NativeTransport
from tickwire.native.wire import (
    Levels as Levels,
)
from tickwire.native.wire import (
    Micros as Micros,
)
from tickwire.native.wire import (
    Millis as Millis,
)
from tickwire.native.wire import (
    NanosTime as NanosTime,
)
from tickwire.native.wire import (
    Price as Price,
)
from tickwire.native.wire import (
    Seconds as Seconds,
)
from tickwire.native.wire import (
    Size as Size,
)
