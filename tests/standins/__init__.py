"""Real servers and stand-ins, each started and stopped by a few lines of a test or the demo."""
