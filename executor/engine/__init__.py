"""The only door to Docker: a small client for the hot path, the SDK where credentials of the host are needed."""
