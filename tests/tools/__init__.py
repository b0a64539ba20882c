"""The runs that a person starts by make, and what installs what they need."""
