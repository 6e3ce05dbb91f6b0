"""Whole ticks and lots as the exact decimal texts of the wire: 9890 ticks of 0.01 are ``"98.90"``."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["StepTexts"]

_KEPT = 20_000


class StepTexts:
    """Writes multiples of a step with as many decimals as the step has.

    Args:
        step: Tick or lot; ``None`` counts as 1.
    """

    def __init__(self, step: Decimal | None) -> None:
        exponent = (step or Decimal(1)).normalize().as_tuple().exponent
        self._decimals = max(0, -exponent) if isinstance(exponent, int) else 0
        self._units = int((step or Decimal(1)).scaleb(self._decimals))
        self._texts: dict[int, str] = {}

    def __call__(self, steps: int) -> str:
        """Write ``steps`` times the step."""
        text = self._texts.get(steps)
        if text is None:
            if len(self._texts) >= _KEPT:
                self._texts.clear()
            text = self._texts[steps] = self._write(steps)
        return text

    def _write(self, steps: int) -> str:
        digits = str(steps * self._units)
        if not self._decimals:
            return digits
        digits = digits.zfill(self._decimals + 1)
        return f"{digits[: -self._decimals]}.{digits[-self._decimals :]}"
