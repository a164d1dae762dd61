"""The scheduler: what is done, what must run, and running it in workers; the job and its store."""
