"""The local runner without an engine."""
