"""The pictures in docs/pictures: drawn by real programs, with the stand-in's values."""
