"""What market data is: instruments, channels, events, books, errors. No I/O, nothing of ours imported."""
