"""`make release`: its refusals and their texts, and its files besides the packages."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bat2influx import __version__
from tests import TOP
from tests.support.keys import key_ring, make_key
from tests.tools.release import changes, ready, repository, sbom, signing
from tests.tools.release.__main__ import sha256sums

ENTRY = changes.Entry("1.2.0", "2026-11-22", "- It is new.")
DEBIAN = changes.DebianEntry("1.2.0", "1", "unstable", "2026-11-22")
READY = ready.Checkout("1.2.0", (), ENTRY, DEBIAN, "c0ffee", "")

CHANGELOG = """\
# Changes

What users notice, newest first.

## 1.2.0 (2026-11-22)

- It is new.
- So is this.

## 1.1.0 (2026-10-01)

- It was new.
"""
DEBIAN_CHANGELOG = """\
bat2influx (1.2.0-1) unstable; urgency=medium

  * It is new.

 -- Somebody <somebody@example.org>  Sun, 22 Nov 2026 23:30:00 +0000
"""


# The changelogs


def test_the_notes_are_the_first_entry() -> None:
    """With its version and date, and no earlier entries."""
    entry = changes.first_entry(CHANGELOG)
    assert entry == changes.Entry("1.2.0", "2026-11-22", "- It is new.\n- So is this.")
    text = "# bat2influx 1.2.0\n\nReleased 2026-11-22.\n\n- It is new.\n- So is this.\n"
    assert changes.notes(entry) == text


def test_the_projects_changelogs_are_parsed() -> None:
    """And each begins with the program's version."""
    entry = changes.first_entry((TOP / "CHANGELOG.md").read_text())
    debian = changes.first_debian_entry((TOP / "debian/changelog").read_text())
    assert entry is not None
    assert debian is not None
    assert entry.version == debian.version == __version__
    assert debian.date


@pytest.mark.parametrize(
    ("first_line", "date", "entry"),
    [
        ("bat2influx (1.2.0-1) unstable;", "Sun, 22 Nov 2026 23:30:00 +0000", DEBIAN),
        ("bat2influx (1.2.0) unstable;", "22 Nov 2026 01:00 +0100", replace(DEBIAN, revision="")),
        ("bat2influx (1.2.0-1) unstable;", "today", replace(DEBIAN, date="")),
    ],
)
def test_the_changelog_of_debian_is_read(
    first_line: str, date: str, entry: changes.DebianEntry
) -> None:
    """With or without a revision, and with an invalid date."""
    text = f"{first_line} urgency=medium\n\n  * New.\n\n -- S <s@example.org>  {date}\n"
    assert changes.first_debian_entry(text) == entry


def test_a_text_that_is_no_changelog_has_no_entry() -> None:
    """Empty, or of another package."""
    assert changes.first_entry("# Changes\n") is None
    assert changes.first_debian_entry("") is None
    assert changes.first_debian_entry(DEBIAN_CHANGELOG.replace("bat2", "cat2")) is None


# Objections to a release


def test_a_clean_tree_with_its_entries_has_no_objection() -> None:
    """The version's tag is no objection if it is this commit."""
    assert ready.objections(READY) == []
    assert ready.objections(replace(READY, tagged=READY.commit)) == []


@pytest.mark.parametrize(
    ("checkout", "words"),
    [
        (replace(READY, changed=None), "no checkout of git"),
        (replace(READY, changed=(" M README.md", "?? x")), "not clean: README.md, x; commit"),
        (replace(READY, changed=("?? x",) * 7), "not clean: x, x, x, x, x and 2 more; commit"),
        (replace(READY, tagged="decade"), "the tag v1.2.0 is another commit"),
        (replace(READY, entry=None), 'has no entry; write one that begins with "## 1.2.0 ('),
        (
            replace(READY, entry=replace(ENTRY, version="1.1.0")),
            "CHANGELOG.md begins with 1.1.0, and bat2influx/__init__.py has 1.2.0; write",
        ),
        (
            replace(READY, entry=replace(ENTRY, when="not released yet")),
            'has "not released yet" for the date of 1.2.0; write the day',
        ),
        (replace(READY, entry=replace(ENTRY, text="")), "says nothing of 1.2.0"),
        (replace(READY, debian=None), "does not begin with an entry"),
        (
            replace(READY, debian=replace(DEBIAN, version="1.1.0")),
            "debian/changelog begins with 1.1.0-1, and bat2influx/__init__.py has 1.2.0",
        ),
        (
            replace(READY, debian=replace(DEBIAN, revision="")),
            "begins with 1.2.0, and bat2influx/__init__.py has 1.2.0; write an entry that begins"
            ' with "bat2influx (1.2.0-1) unstable',
        ),
        (replace(READY, debian=replace(DEBIAN, distribution="UNRELEASED")), "has UNRELEASED"),
        (
            replace(READY, debian=replace(DEBIAN, date="2026-11-23")),
            "debian/changelog has the date 2026-11-23, and CHANGELOG.md 2026-11-22",
        ),
        (replace(READY, debian=replace(DEBIAN, date="")), "has a date that cannot be read"),
    ],
)
def test_each_objection_has_advice(checkout: ready.Checkout, words: str) -> None:
    """One for each fault."""
    (objection,) = ready.objections(checkout)
    assert words in objection


def test_all_objections_are_reported_at_once() -> None:
    """And not one per attempt."""
    assert len(ready.objections(ready.Checkout("1.2.0", None, None, None))) == 3


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the checked files, committed."""
    top = tmp_path / "checkout"
    for name, text in {
        "bat2influx/__init__.py": '__version__ = "1.2.0"\n',
        "CHANGELOG.md": CHANGELOG,
        "debian/changelog": DEBIAN_CHANGELOG,
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    git(top, "init", "--quiet")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "--message", "All of it")
    return top


def git(top: Path, *arguments: str) -> None:
    """Run git in a checkout, as some user."""
    who = ("-c", "user.name=S", "-c", "user.email=s@example.org")
    subprocess.run(["git", *who, *arguments], cwd=top, check=True, capture_output=True)


def nothing(_top: Path) -> None:
    """Leave the checkout as it is."""


def edit(top: Path) -> None:
    """Change a tracked file."""
    (top / "CHANGELOG.md").write_text(f"{CHANGELOG}\n")


def leave_a_file(top: Path) -> None:
    """Create an untracked file."""
    (top / "debian/notes").touch()


def tag_and_go_on(top: Path) -> None:
    """Release the version, and commit something after that."""
    git(top, "tag", "v1.2.0")
    git(top, "commit", "--quiet", "--allow-empty", "--message", "More")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (nothing, ""),
        (edit, "CHANGELOG.md"),
        (leave_a_file, "debian/notes"),
        (tag_and_go_on, "v1.2.0"),
    ],
)
def test_the_state_of_a_checkout_is_read(
    checkout: Path, change: Callable[[Path], None], words: str
) -> None:
    """Its tree, its tag, its version and its entries."""
    change(checkout)
    objections = ready.objections(ready.look(checkout))
    assert len(objections) == bool(words)
    assert words in "".join(objections)


def test_a_folder_without_git_is_no_checkout(checkout: Path) -> None:
    """For example an unpacked archive."""
    (checkout / ".git").rename(checkout.parent / "git")
    assert ready.look(checkout).changed is None


# The files of a release


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A key in a separate key ring, which GNUPGHOME names."""
    with key_ring(tmp_path_factory.mktemp("release")):
        yield make_key("release")


@pytest.mark.parametrize(
    ("given", "words"),
    [("", "KEY is no fingerprint"), ("C0FFEE", "KEY is no"), ("C0FFEE00" * 5, "no secret key C0")],
)
def test_a_key_that_cannot_sign_is_rejected(key: str, given: str, words: str) -> None:
    """Not given, shortened, or missing; and the text names GNUPGHOME."""
    assert signing.objection(key) == ""
    assert words in signing.objection(given)
    assert "GNUPGHOME" in signing.objection(given)


def test_the_sums_are_signed(key: str, tmp_path: Path) -> None:
    """So that sha256sum and gpg accept them; the sums contain neither of the two files."""
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(sha256sums(tmp_path))
    signature = signing.sign(sums, key)
    sums.write_text(sha256sums(tmp_path))  # the same as before
    assert re.findall(r"(?m)  (.+)$", sums.read_text()) == ["a", "b"]
    subprocess.run(["sha256sum", "--check", "--strict", sums], cwd=tmp_path, check=True)
    subprocess.run(["gpg", "--batch", "--verify", signature, sums], check=True)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with only a name."""
    tree = tmp_path_factory.mktemp("package") / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: bat2influx\nVersion: 1.2.0-1\nArchitecture: all\nSection: net\n"
        "Priority: optional\nMaintainer: S <s@example.org>\nDescription: nothing\n"
    )
    made = tree.with_name("any name.deb")
    subprocess.run(["dpkg-deb", "--build", tree, made], check=True, capture_output=True)
    return made


def test_the_repository_has_the_package_for_each_architecture(
    key: str, package: Path, tmp_path: Path
) -> None:
    """With the key for clients, and the file with key and address; without reprepro's own files."""
    for _ in range(2):  # an interrupted release is made again
        public = repository.add(tmp_path, [package], key, "https://example.org/apt")
    assert {path.name for path in public.iterdir()} == {
        "bat2influx.asc",
        "bat2influx.sources",
        "dists",
        "pool",
    }
    lists = sorted(public.glob("dists/stable/main/binary-*/Packages"))
    assert len(lists) == len(repository.ARCHITECTURES) - 1
    assert {each.read_text().count("Package: bat2influx\n") for each in lists} == {1}
    release = public / "dists/stable/InRelease"
    subprocess.run(["gpg", "--batch", "--verify", release], check=True, capture_output=True)
    assert (public / "bat2influx.asc").read_text() == signing.public_key(key)
    assert "BEGIN PGP PUBLIC KEY" in signing.public_key(key)
    assert (public / "bat2influx.sources").read_text() == (
        "Types: deb\nURIs: https://example.org/apt\nSuites: stable\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/bat2influx.asc\n"
    )


def test_without_an_address_no_file_contains_one(key: str, package: Path, tmp_path: Path) -> None:
    """The address may not be known yet."""
    assert not (repository.add(tmp_path, [package], key, "") / "bat2influx.sources").exists()


FIELDS = {
    "Version": "1.2.0-1",
    "Architecture": "all",
    "Description": "store values\n and more",
    "Depends": "procps, python3 (>= 3.11~), python3-configobj",
    "Recommends": "libnss-mdns",
    "Suggests": "",
}
WRITE_BILL = """
import json, sys
from datetime import datetime
from tests.tools.release.sbom import bill
fields, files, when = json.load(sys.stdin)
print(bill(fields, files, datetime.fromisoformat(when)), end="")
"""


def test_dependencies_are_read_from_the_package() -> None:
    """With their required versions, and whether they are optional."""
    assert list(sbom.needed(FIELDS)) == [
        ("procps", "", "required"),
        ("python3", ">= 3.11~", "required"),
        ("python3-configobj", "", "required"),
        ("libnss-mdns", "", "optional"),
    ]


def test_the_bill_is_valid_and_reproducible() -> None:
    """Valid by the library's check of the schema of CycloneDX 1.6; the same byte for byte."""
    venv = subprocess.run(
        [TOP / "tests/tools/venv", sbom.LIBRARY], check=True, capture_output=True, text=True
    ).stdout.strip()
    files = {"bat2influx_1.2.0-1_all.deb": "ab" * 32}
    given = json.dumps([FIELDS, files, datetime(2026, 11, 22, tzinfo=UTC).isoformat()])

    def written() -> str:
        command = [f"{venv}/bin/python", "-B", "-c", WRITE_BILL]
        done = subprocess.run(
            command, cwd=TOP, input=given, capture_output=True, text=True, check=True
        )
        return done.stdout

    text = written()
    assert text == written()
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    main = bill["metadata"]["component"]
    assert main["purl"] == "pkg:deb/bat2influx/bat2influx@1.2.0-1?arch=all"
    assert main["licenses"] == [{"license": {"id": "MIT"}}]
    (file,) = main["components"]
    assert file["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert {each["name"]: each["scope"] for each in bill["components"]} == {
        name: scope for name, _, scope in sbom.needed(FIELDS)
    }
    (needs,) = [each for each in bill["dependencies"] if each["ref"] == main["bom-ref"]]
    assert len(needs["dependsOn"]) == 3
