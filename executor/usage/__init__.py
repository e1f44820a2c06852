"""What a job used: read from cgroup files while it runs, summed up per stage and container, judged, kept."""
