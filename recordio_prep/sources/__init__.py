"""One reader for each way that photos are stored."""
