"""What GitLab asks for: the runner's contract with a custom executor."""
