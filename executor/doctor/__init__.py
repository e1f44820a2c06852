"""`executor doctor`: looks for every fault of a runner's host that makes jobs fail or harms them."""
