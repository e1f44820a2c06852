"""Tests of the caches in a bucket."""
