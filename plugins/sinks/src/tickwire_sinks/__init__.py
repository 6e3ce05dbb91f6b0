"""Sinks for tickwire: message brokers and databases, one extra each."""
