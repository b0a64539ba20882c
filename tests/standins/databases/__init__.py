"""Real databases, peers that simulate others, and separate readers of them."""
