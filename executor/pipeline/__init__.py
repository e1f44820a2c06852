""".gitlab-ci.yml to jobs, and the local runner behind `executor exec`."""
