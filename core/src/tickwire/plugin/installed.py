"""Finds plugins among the installed distributions, without importing any."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import Distribution, EntryPoint, entry_points

import attrs

from tickwire.plugin.hookspecs import ENTRY_POINT_GROUP, PROJECT

__all__ = ["OUR_MAJOR", "Installed", "installed_plugins"]

_GROUP = re.compile(rf"{PROJECT}\.v(\d+)")
OUR_MAJOR = int(ENTRY_POINT_GROUP.removeprefix(f"{PROJECT}.v"))


@attrs.frozen
class Installed:
    """One entry point.

    Attributes:
        name: The plugin's.
        distribution: What it was installed from.
        version: Of the distribution; empty where its metadata is broken.
        load: Imports it and gives the module.
        major: Version of the hooks it speaks, from the name of its group.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], object] = attrs.field(eq=False, repr=False)
    major: int = OUR_MAJOR

    @property
    def is_core(self) -> bool:
        """It is part of tickwire itself."""
        return self.distribution == PROJECT

    @property
    def is_ours(self) -> bool:
        """It speaks the hooks of this version."""
        return self.major == OUR_MAJOR

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".rstrip()


def installed_plugins() -> list[Installed]:
    """Give every entry point that speaks some version of our hooks, in no particular order."""
    points = entry_points()
    groups = [match for match in map(_GROUP.fullmatch, points.groups) if match]
    found = [_installed(point, int(group[1])) for group in groups for point in points.select(group=group[0])]
    spoken = {(plugin.distribution, plugin.name) for plugin in found if plugin.is_ours}
    # A distribution may serve two majors at once; the one that is ours is what counts.
    return [plugin for plugin in found if plugin.is_ours or (plugin.distribution, plugin.name) not in spoken]


def _installed(point: EntryPoint, major: int) -> Installed:
    name, version = _fact(point.dist, "Name"), _fact(point.dist, "Version")
    return Installed(point.name, name or "?", version, point.load, major)


# An interrupted installation leaves folders with half their metadata.
def _fact(distribution: Distribution | None, key: str) -> str:
    try:
        return str(distribution.metadata[key] or "") if distribution else ""
    except (AttributeError, KeyError, TypeError, OSError):
        return ""
