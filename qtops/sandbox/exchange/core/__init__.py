"""The exchange without HTTP, files or clock: pure, exact, time passed in."""
