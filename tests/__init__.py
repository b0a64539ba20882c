"""Tests in the same house as the package, and what they and the runs are made of.

unit/ (pure and quick, without a server), integration/ (the daemon with real servers), faults/ (what
can happen to it), system/ and package/ (on booted Debians), docs/ (what is written, held against
the program), standins/ (what stands for the others), support/, and tools/ (the runs of make).
"""

from pathlib import Path

TOP = Path(__file__).resolve().parents[1]  # of the checkout
