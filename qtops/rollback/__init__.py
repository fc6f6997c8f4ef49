"""Getting back: changes that are read back, undone when one fails, and finished after a crash."""
