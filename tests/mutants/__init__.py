"""Deliberate bugs, and the proof that each is noticed."""
