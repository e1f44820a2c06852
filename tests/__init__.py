"""Tests: unit (no Docker), engine (a real engine), e2e (whole jobs), images (what they run in)."""
