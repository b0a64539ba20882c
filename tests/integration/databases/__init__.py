"""What works with which database: a test for each line of the table of docs/databases.md."""
