"""What the operator allows: `[runners.docker]` of config.toml and the driver's own executor.toml."""
