"""`burgee check`: what a process would find where it is about to run, and what to do about it."""
