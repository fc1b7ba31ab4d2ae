"""`twinheap bisect`."""
