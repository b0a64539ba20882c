"""Real servers and stand-ins; a few lines of a test or the demo start and stop each of them."""
