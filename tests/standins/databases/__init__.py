"""Real databases, peers that stand in for others, and readers of their own."""
