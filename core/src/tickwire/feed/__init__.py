"""One feed's life: connections, subscriptions, book sync, back-off. It meets the network only as a ``Transport``."""
