"""Kestrel, an invented exchange."""
