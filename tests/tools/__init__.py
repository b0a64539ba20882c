"""The programs behind the targets of make, and the scripts that install their requirements."""
