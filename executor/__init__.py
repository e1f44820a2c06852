"""virida-executor: a driver for GitLab Runner's custom executor that runs jobs in Docker containers."""

__version__ = "0.1.0"
