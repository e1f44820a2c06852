"""What makes a host a runner's: the driver's own files, and the section of config.toml that calls it."""
