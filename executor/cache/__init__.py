"""The caches of jobs: kept as immutable layers on this host, mounted instead of unpacked, shared through S3."""
