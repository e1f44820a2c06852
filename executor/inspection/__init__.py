"""Looking at the jobs of this host from outside: which there are, what they use, what their containers wrote."""
