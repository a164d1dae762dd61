"""What is done, what must run, and running it."""
