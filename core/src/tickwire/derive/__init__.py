"""Streams made of other streams: pure objects that are given events and give events, the same for the same."""
