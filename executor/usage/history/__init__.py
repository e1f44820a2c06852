"""What jobs used, kept in one SQLite file of the host's state folder. NULL is "this host could not say", never 0."""
