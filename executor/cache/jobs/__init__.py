"""The caches of one job: what it asks for, restoring it by mounting, saving it by renaming."""
