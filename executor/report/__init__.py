"""Tells what a job used: in its log, as artifacts, as a page, and in GitLab where the operator wants that."""
