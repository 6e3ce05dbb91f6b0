"""Binance spot, Binance USDⓈ-M futures and Binance.US for tickwire."""
