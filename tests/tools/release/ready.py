"""Checks whether a release is possible, with texts for its maker; nothing is changed.

Rules: `look` reads the state of a checkout, `objections` checks these values. All objections are
reported at once.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tools.release.changes import DebianEntry, Entry, first_debian_entry, first_entry

SHOWN = 5  # changed files that are listed
UNCLEAN = "the working tree is not clean"


@dataclass(frozen=True)
class Checkout:
    """The state of a checkout. `changed` has the lines of `git status`, None if there is no git.

    `commit` and `tagged` are the commits of HEAD and of the version's tag, "" for none.
    """

    version: str
    changed: tuple[str, ...] | None
    entry: Entry | None
    debian: DebianEntry | None
    commit: str = ""
    tagged: str = ""


def look(top: Path) -> Checkout:
    """Return the state of the checkout `top`."""
    code = (top / "bat2influx/__init__.py").read_text()
    found = re.search(r'(?m)^__version__ = "(.+)"$', code)
    version = found[1] if found else ""
    status = _git(top, "status", "--porcelain", "--untracked-files=all")
    return Checkout(
        version,
        None if status is None else tuple(status.splitlines()),
        first_entry((top / "CHANGELOG.md").read_text()),
        first_debian_entry((top / "debian/changelog").read_text()),
        (_git(top, "rev-parse", "--verify", "--quiet", "HEAD") or "").strip(),
        (_git(top, "rev-parse", "--verify", "--quiet", f"v{version}^{{commit}}") or "").strip(),
    )


def objections(checkout: Checkout) -> list[str]:
    """Return what has to be corrected before a release; empty if nothing."""
    return [
        *_of_the_tree(checkout),
        *_of_the_entry(checkout.version, checkout.entry),
        *_of_debian(checkout.version, checkout.debian, checkout.entry),
    ]


def _of_the_tree(checkout: Checkout) -> Iterator[str]:
    changed = checkout.changed
    if changed is None:
        yield "this is no checkout of git, so that nobody can say of which commit a release is"
    elif changed:
        named = ", ".join(line[3:] for line in changed[:SHOWN])
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        yield f"{UNCLEAN}: {named}{more}; commit, ignore or remove them"
    if checkout.tagged and checkout.tagged != checkout.commit:
        yield (
            f"the tag v{checkout.version} is another commit: {checkout.version} was released; write"
            " the next version into bat2influx/__init__.py"
        )


def _of_the_entry(version: str, entry: Entry | None) -> Iterator[str]:
    wanted = f"## {version} (YYYY-MM-DD)"
    if entry is None:
        yield f'CHANGELOG.md has no entry; write one that begins with "{wanted}"'
    elif entry.version != version:
        yield (
            f"CHANGELOG.md begins with {entry.version}, and bat2influx/__init__.py has {version};"
            f' write an entry that begins with "{wanted}"'
        )
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", entry.when):
        yield (
            f'CHANGELOG.md has "{entry.when}" for the date of {version}; write the day of the'
            f' release, as in "{wanted}"'
        )
    elif not entry.text:
        yield f"CHANGELOG.md says nothing of {version}; write what users notice"


def _of_debian(version: str, debian: DebianEntry | None, entry: Entry | None) -> Iterator[str]:
    wanted = f"bat2influx ({version}-1) unstable; urgency=medium"
    if debian is None:
        yield f'debian/changelog does not begin with an entry; write "{wanted}"'
        return
    if debian.version != version or not debian.revision:
        has = f"{debian.version}-{debian.revision}".rstrip("-")
        yield (
            f"debian/changelog begins with {has}, and bat2influx/__init__.py has {version}; write"
            f' an entry that begins with "{wanted}"'
        )
    if debian.distribution == "UNRELEASED":
        yield "debian/changelog has UNRELEASED in its first line; write unstable"
    if not debian.date:
        yield "debian/changelog has a date that cannot be read; `date --rfc-email` writes one"
    elif entry is not None and debian.date != entry.when and entry.when[:1].isdigit():
        yield (
            f"debian/changelog has the date {debian.date}, and CHANGELOG.md {entry.when}; write one"
            " day into both"
        )


def _git(top: Path, *arguments: str) -> str | None:
    command = ["git", "-C", top, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None
