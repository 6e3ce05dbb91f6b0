"""ED25519 over ``instruction=<name>&<sorted parameters>&timestamp=<ms>&window=<ms>``.

Source: Backpack docs, page "Authentication" (read 2026-11-21). A subscription signs the instruction ``subscribe`` and
never the names of its streams.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tickwire import RequestRejectedError
from tickwire.native import Ed25519Signer
from tickwire.plugin import Request

_HISTORY = "/wapi/v1/history"
INSTRUCTIONS: Mapping[tuple[str, str], str] = {
    ("GET", "/api/v1/account"): "accountQuery",
    ("PATCH", "/api/v1/account"): "accountUpdate",
    ("GET", "/api/v1/account/limits/borrow"): "maxBorrowQuantity",
    ("GET", "/api/v1/account/limits/order"): "maxOrderQuantity",
    ("GET", "/api/v1/account/limits/withdrawal"): "maxWithdrawalQuantity",
    ("GET", "/api/v1/borrowLend/positions"): "borrowLendPositionQuery",
    ("GET", "/api/v1/capital"): "balanceQuery",
    ("GET", "/api/v1/capital/collateral"): "collateralQuery",
    ("GET", "/api/v1/order"): "orderQuery",
    ("POST", "/api/v1/order"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("GET", "/api/v1/orders"): "orderQueryAll",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
    ("GET", "/api/v1/position"): "positionQuery",
    ("GET", f"{_HISTORY}/fills"): "fillHistoryQueryAll",
    ("GET", f"{_HISTORY}/funding"): "fundingHistoryQueryAll",
    ("GET", f"{_HISTORY}/orders"): "orderHistoryQueryAll",
    ("GET", f"{_HISTORY}/position"): "positionHistoryQueryAll",
    ("GET", f"{_HISTORY}/settlement"): "settlementHistoryQueryAll",
}


class BackpackSigner(Ed25519Signer):
    """Signs requests and private subscriptions."""

    def signing_text(self, request: Request, timestamp: int) -> str:
        """Give the text that signs a request; a JSON body is signed like a query, a list of orders one by one.

        Raises:
            RequestRejectedError: No instruction is known for this endpoint.
        """
        instruction = INSTRUCTIONS.get((request.method, request.path))
        if instruction is None:
            raise RequestRejectedError(
                f"{request.method} {request.path} has no known instruction to sign",
                status=0,
                hint="add it to INSTRUCTIONS in tickwire_backpack.auth",
            )
        body = msgspec.json.decode(request.body) if request.body else {}
        orders: Sequence[Mapping[str, Any]] = body if isinstance(body, list) else [body]
        signed = [self._instruction(instruction, request.params, order) for order in orders]
        return self._stamped("&".join(signed), timestamp)

    def subscription(self) -> list[str]:
        """Give the four texts of a signed SUBSCRIBE: key, signature, timestamp, window."""
        timestamp = self.millis()
        signature = self.signature(self._stamped("instruction=subscribe", timestamp))
        return [self.key, signature, str(timestamp), str(self.window)]

    def _instruction(self, name: str, *parameters: Mapping[str, Any]) -> str:
        pairs = [(key, value) for one in parameters for key, value in sorted(one.items()) if value is not None]
        return "&".join([f"instruction={name}", *(f"{key}={_text(value)}" for key, value in pairs)])

    def _stamped(self, text: str, timestamp: int) -> str:
        # the window is always part of the text, also where it is the default
        return f"{text}&timestamp={timestamp}&window={self.window}"


def _text(value: object) -> str:
    # Python's True would be refused; decimals are signed exactly as sent, so they are never re-serialised
    return ("false", "true")[value] if isinstance(value, bool) else str(value)
