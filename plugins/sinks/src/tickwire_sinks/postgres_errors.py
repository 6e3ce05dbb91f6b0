"""What PostgreSQL's error codes and asyncpg's own errors mean; the longest prefix of a code decides."""

from __future__ import annotations

from collections.abc import Mapping

from tickwire_sinks.border import Border, Meaning, extra

with extra("postgres"):
    import asyncpg

__all__ = ["BORDER", "CLASSES", "CODES", "meaning_of"]

CODES: Mapping[str, Meaning] = {
    **dict.fromkeys(("01", "02", "03", "09", "0B", "0F", "0L", "0Z", "10", "20", "21"), Meaning.RECORD),
    "08": Meaning.LOST,
    "0A": Meaning.SETTINGS,  # a feature that this server has not
    "0P": Meaning.SETTINGS,  # no such role
    "22": Meaning.RECORD,  # a value does not fit
    "23": Meaning.RECORD,  # a constraint of the user's own
    **dict.fromkeys(("24", "26", "27", "2B", "2D", "2F", "34", "38", "39", "3B"), Meaning.RECORD),
    "25": Meaning.LOST,  # read-only: a standby, perhaps about to be the master
    "28": Meaning.SETTINGS,  # user or password
    "3D": Meaning.SETTINGS,  # no such database
    "3F": Meaning.LOST,  # the schema was dropped; opening makes it anew
    "40": Meaning.LOST,  # deadlock, serialization
    "42": Meaning.SETTINGS,
    "42P01": Meaning.LOST,  # the table was dropped; opening makes it anew
    "42703": Meaning.LOST,  # a column was dropped, likewise
    "44": Meaning.RECORD,
    "53": Meaning.LOST,  # disk full, too many connections
    "54": Meaning.RECORD,
    "55": Meaning.LOST,  # locked
    "57": Meaning.LOST,  # shutting down, starting up, cancelled
    "58": Meaning.LOST,
    "72": Meaning.LOST,
    "F0": Meaning.SETTINGS,
    "HV": Meaning.SETTINGS,
    "P0": Meaning.RECORD,  # a trigger of the user's own
    "XX": Meaning.LOST,
}

CLASSES: Mapping[type[BaseException], Meaning] = {
    asyncpg.exceptions.InvalidCachedStatementError: Meaning.LOST,  # the schema was changed under us
    asyncpg.exceptions.UnknownPostgresError: Meaning.LOST,
    asyncpg.exceptions.FatalPostgresError: Meaning.LOST,
    asyncpg.exceptions.ClientConfigurationError: Meaning.SETTINGS,
    asyncpg.exceptions.UnsupportedClientFeatureError: Meaning.SETTINGS,
    asyncpg.exceptions.UnsupportedServerFeatureError: Meaning.SETTINGS,
    asyncpg.exceptions.InterfaceError: Meaning.LOST,  # the connection is closed
    asyncpg.exceptions.InternalClientError: Meaning.LOST,
}


def meaning_of(error: BaseException) -> Meaning:
    """Tell what an error of asyncpg means."""
    own = next((CLASSES[kind] for kind in type(error).__mro__ if kind in CLASSES), None)
    code = str(getattr(error, "sqlstate", None) or "")
    if type(error) in CLASSES or not code:
        return own or Meaning.RECORD
    return CODES.get(code) or CODES.get(code[:2]) or Meaning.RECORD


BORDER = Border(
    "PostgreSQL",
    (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    meaning_of,
    "look at url: user, password and database, and what the user may do there",
)
