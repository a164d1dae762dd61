"""Many films and dubs: what is to be done, how long it will take, and doing it job by job."""
