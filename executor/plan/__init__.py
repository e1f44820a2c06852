"""Pure decisions: what a job's sandbox will be made of. Nothing here talks to Docker or touches the disk."""
