"""`executor exec`: plays the runner's part, so that a pipeline runs here through the very same driver."""
