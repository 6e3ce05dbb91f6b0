"""Kraken spot for tickwire."""
