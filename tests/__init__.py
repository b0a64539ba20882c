"""The tests of the package, their support code, and the tools behind the targets of make.

unit/ (pure and quick, without a server), integration/ (the daemon with real servers), faults/
(fault injection), system/ and package/ (on booted Debians), docs/ (documents compared with the
program), standins/ (servers and simulated devices), support/, and tools/ (the targets of make).
"""

from pathlib import Path

TOP = Path(__file__).resolve().parents[1]  # of the checkout
