"""What works with which database: a test for each line of the README's table."""
