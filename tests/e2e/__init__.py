"""Whole jobs: a real gitlab-runner, or its recorded calls, against this driver and a small GitLab."""
