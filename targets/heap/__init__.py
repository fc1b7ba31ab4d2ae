"""The in-tree optimized heap."""
