"""Running one script in a living container: feeding it, passing its output on, ending it, telling how it ended."""
