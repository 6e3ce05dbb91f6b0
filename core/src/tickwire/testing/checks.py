"""What a check is: a test with a stable id that says what it proves, when it is skipped and where to look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

import attrs

from tickwire.testing.verdicts import Nonconformity, cannot, refuse

__all__ = ["GROUPS", "KIT_VERSION", "SINK_GROUP", "Check", "check", "checks_of"]

KIT_VERSION = 1
"""Goes up when a check is added, or one becomes stricter."""

GROUPS = {
    "D": "declaration",
    "S": "symbols",
    "A": "auth",
    "R": "routing",
    "B": "book",
    "V": "values",
    "L": "life cycle",
    "F": "faults",
}
"""What the letter of an id means, in the order in which the checks run."""

SINK_GROUP = {"K": "sink"}
"""The letter of the sink kit's checks."""

_LETTERS = GROUPS | SINK_GROUP
_F = TypeVar("_F", bound=Callable[..., Any])


@attrs.frozen
class Check:
    """One check of the kit.

    Attributes:
        id: Stable: a letter of ``GROUPS`` and a number. A retired one is not given again.
        proves: What holds of a plugin that passes, in one sentence without a full stop.
        skip_when: The declared lack that skips it; empty: never skipped.
        file: The plugin's file to look at when it fails.
    """

    id: str
    proves: str
    skip_when: str = ""
    file: str = "routing.py"

    @property
    def group(self) -> str:
        """What it is about."""
        return _LETTERS[self.id[0]]

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the order of all checks."""
        return list(_LETTERS).index(self.id[0]), int(self.id[1:])


def check(id: str, *, proves: str, skip_when: str = "", file: str = "routing.py") -> Callable[[_F], _F]:
    """Make a test method a check; the arguments are those of ``Check``."""

    def mark(method: _F) -> _F:
        @wraps(method)
        def run(kit: Any, *args: Any, **given: Any) -> None:
            __tracebackhide__ = True
            reason = getattr(kit, "lacks", {}).get(id)
            try:
                method(kit, *args, **given)
            except Nonconformity:
                if reason is None:
                    raise
                cannot(reason)
            if reason is not None:
                refuse("test_conformance.py", f"{id} is said to be lacking, and it holds", "leave it out of lacks")

        run._tickwire_check = Check(id, proves, skip_when, file)  # type: ignore[attr-defined]
        return run  # type: ignore[return-value]

    return mark


def checks_of(kit: type) -> Iterator[Check]:
    """Give the checks of a kit class, in order."""
    found = {
        one.id: one for name in dir(kit) if (one := getattr(getattr(kit, name), "_tickwire_check", None)) is not None
    }
    return iter(sorted(found.values(), key=lambda one: one.place))
