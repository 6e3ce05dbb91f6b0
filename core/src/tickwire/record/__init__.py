"""Recording and what is known of it: captures, replay, stored data, coverage."""
