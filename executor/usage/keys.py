"""The name that a job has in every pipeline."""

from __future__ import annotations


def job_key(name: str) -> str:
    """A job's name without the ` 3/10` that `parallel` puts behind it; what a matrix puts there tells jobs apart."""
    head, _, tail = name.rpartition(" ")
    number, slash, count = tail.partition("/")
    counted = slash and all(part.isascii() and part.isdigit() for part in (number, count))
    return head if counted and head else name
