"""The pictures in docs/pictures: real programs draw them, from the numbers of the stand-in."""
