"""Backpack Exchange for tickwire."""
