"""Running many feeds into many sinks, from a config file or from arguments."""
