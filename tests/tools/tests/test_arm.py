"""`make arm`: recognition of programs, selection of unit tests, and counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests import TOP
from tests.tools.arm import choice
from tests.tools.arm.account import NS, Result, covered, emulated, table
from tests.tools.arm.binfmt import BinfmtError, entry, left_behind

RECIPE = (
    r":qemu-arm:M::\x7fELF\x01\x02\x00\x28:\xff\xff\xff\xff\xff\xfe\xff\xff:/usr/libexec/arm:OP"
)
RESULT = Result(
    "bookworm armhf", 60, 60, 900, 900, 0, 0, 120, 314 * 10**5, 9 * 10**6, "2 passed", 61
)
SMAPS = """\
00010000-00400000 r-xp 00000000 fe:00 1 /usr/bin/python3.11
Rss:                4000 kB
00400000-00410000 rw-p 00000000 00:00 0
Rss:                1000 kB
Anonymous:          1000 kB
7f0000000000-7f0008000000 rwxp 00000000 00:00 0
Rss:                9000 kB
7f0010000000-7f0010400000 r-xp 00000000 fe:00 2 /usr/bin/qemu-arm-static
Rss:                5000 kB
7f0020000000-7f0020400000 rw-p 00000000 00:00 0 [heap]
Rss:                2000 kB
"""


# The kernel's entry for a processor


def test_a_recipe_is_registered_with_a_separate_name_and_works_in_a_chroot() -> None:
    """The flag F opens the interpreter at once; the recognition pattern stays."""
    line = entry(f"# a comment\n{RECIPE}\n", "bat2influx-arm-7")
    assert line == RECIPE.replace("qemu-arm", "bat2influx-arm-7") + "F"


def test_a_recipe_that_has_the_flag_keeps_it_once() -> None:
    """As in Debian's."""
    assert entry(f"{RECIPE}F", "qemu-arm") == f"{RECIPE}F"


@pytest.mark.parametrize("text", ["", "# nothing\n", ":qemu-arm:M::x\n"])
def test_a_file_without_a_recipe_is_an_error(text: str) -> None:
    """And not a line that the kernel rejects without a reason."""
    with pytest.raises(BinfmtError):
        entry(text, "bat2influx-arm-7")


def test_only_entries_of_ended_runs_are_removed() -> None:
    """Other entries stay, and so do those of a parallel run."""
    names = ["qemu-arm", "register", "status", "bat2influx-arm-7", "bat2influx-aarch64-8"]
    assert left_behind(names, {1, 8}) == ["bat2influx-arm-7"]


# Which unit tests run


@pytest.mark.parametrize(
    "source",
    [
        "import struct\n",
        "from fcntl import ioctl\n",
        "import ctypes\n",
        "x = zlib.crc32(a) & 0xFFFFFFFF\n",
        "LARGEST = 2**63 - 1\n",
        "return time.clock_gettime_ns(time.CLOCK_BOOTTIME)\n",
    ],
)
def test_a_module_with_sizes_of_a_processor_is_recognised(source: str) -> None:
    """By what it imports or calls, or by an integer of more than 32 bits."""
    assert choice.depends_on_sizes(source)


@pytest.mark.parametrize("source", ["import json\n", "def clock_set(self): ...\n", "x = 2**10\n"])
def test_other_modules_are_not(source: str) -> None:
    """They run with ARM_UNIT=all."""
    assert not choice.depends_on_sizes(source)


def test_tests_of_ioctl_clocks_and_files_are_selected() -> None:
    """And all named tests exist."""
    found = choice.chosen(TOP)
    assert all((TOP / path).is_file() for path in found)
    for name in (
        "commands/discover/test_lan_search.py",
        "delivery/test_disk_format.py",
        "delivery/test_disk_rows.py",
        "delivery/test_disk_wal.py",
        "influx/test_lineprotocol.py",
        "test_clock.py",
    ):
        assert f"tests/unit/{name}" in found
    assert all((TOP / "bat2influx" / module).is_file() for module in choice.ALSO)
    for test in choice.NOT_EMULATED:
        path, _, name = test.partition("::")
        assert f"def {name}(" in (TOP / path).read_text(), test


def test_all_test_files_of_a_module_are_selected(tmp_path: Path) -> None:
    """But not those of a module whose name only has the same beginning."""
    unit, package = tmp_path / "tests/unit/net", tmp_path / "bat2influx/net"
    unit.mkdir(parents=True)
    package.mkdir(parents=True)
    (package / "tls.py").write_text("import struct\n")
    for name in ("test_tls.py", "test_tls_late.py", "test_tlsx.py"):
        (unit / name).touch()
    assert choice.chosen(tmp_path) == [
        "tests/unit/net/test_tls.py",
        "tests/unit/net/test_tls_late.py",
    ]


# Counts


def test_a_second_is_covered_when_each_field_has_a_value_in_it() -> None:
    """Two values of one second count as one, and values outside do not count."""
    seconds = {"V": [10, 11, 11, 12, 13], "I": [9, 10, 12, 13]}
    stored = {field: [s * NS + NS // 2 for s in each] for field, each in seconds.items()}
    assert covered(stored, 10, 3) == 2
    assert covered(stored, 12, 2) == 2


def test_nothing_is_covered_without_fields() -> None:
    """No stored value is a failure."""
    assert covered({}, 10, 3) == 0


def test_memory_of_an_emulated_program_excludes_the_emulator() -> None:
    """Its file, its heap, and the translated code."""
    assert emulated(SMAPS, "qemu-arm-static") == 5000 << 10


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 59},
        {"missing": 1},
        {"twice": 1},
        {"spooled": 0},
        {"unit_tests": "1 failed, 2 passed in 3 s"},
        {"unit_tests": "1 error in 3 s"},
    ],
)
def test_each_deviation_is_a_fault(change: dict[str, object]) -> None:
    """One each, with the name of its tree."""
    assert not RESULT.faults
    (fault,) = replace(RESULT, **change).faults  # type: ignore[arg-type]
    assert fault.startswith("bookworm armhf: ")


def test_the_table_has_a_line_for_each_tree() -> None:
    """With its figures below their names."""
    head, line = table([RESULT]).splitlines()
    assert head.split()[:2] == ["tree", "seconds"]
    assert line.split()[:8] == ["bookworm", "armhf", "60", "of", "60", "900", "900", "0"]
    assert line.endswith("31.4 MB  9.0 MB   2 passed    2 min")
