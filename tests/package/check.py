"""`make check-package`: the package checked by Debian's tools, on a booted Debian.

All builds and installations are in the memory of a machine without a network. Beyond the tests in
tests/system, the package has to be reproducible (the same result for every builder and folder), and
to pass lintian, piuparts and its autopkgtest without a message.

    /usr/bin/python3 -m tests.package.check [bookworm] [trixie]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import TOP
from tests.system import trees
from tests.system.host import why_not
from tests.system.machine import Machine

TOOLS = (
    "autopkgtest",
    "build-essential",
    "debhelper",
    "dh-python",
    "lintian",
    "man-db",
    "mandoc",
    "piuparts",
    "pybuild-plugin-pyproject",
    "python3-setuptools",
)
MINUTES = 60.0  # s

# Output of a command is shown only if it fails; with `silently` any output is a failure.
PRELUDE = """
quietly() { "$@" >/build/said 2>&1 || { tail -100 /build/said; exit 1; }; }
silently() { quietly "$@"; if [ -s /build/said ]; then cat /build/said; exit 1; fi; }
cd /build
"""
BUILD = """
cp -r bat2influx untouched
cd bat2influx
quietly env TZ=UTC LANG=C.UTF-8 dpkg-buildpackage --no-sign
"""
# With another user, folder, time zone, umask, language and file times: from the copy that
# `debian/build` makes of the files to the package and the source package. A .buildinfo also has the
# time, place and environment of a build.
BUILD_AGAIN = """
useradd --create-home builder
place=/home/builder/work/of/today
install -d -o builder $place
mv untouched $place/checkout
find $place -exec touch {} +
chown -R builder: $place
chmod -R go= $place
quietly runuser -u builder -- env --chdir $place/checkout HOME=/home/builder LANG=C TZ=NPT-5:45 \
    sh -c 'umask 077 && debian/build --copy ../again/bat2influx &&
        cd ../again/bat2influx && exec dpkg-buildpackage --no-sign'
for file in *.deb *.dsc *.tar.*; do
    quietly cmp $file $place/again/$file
    sha256sum $file
done
told() { sed '/^Build-Date:/d; /^Build-Path:/d; /^Environment:/,$d' "$1"; }
told bat2influx_*.buildinfo >one
told $place/again/bat2influx_*.buildinfo >other
quietly cmp one other
"""
# Debian 12's lintian knows Policy up to 4.6.2, and for Debian 13's that is too old.
LINTIAN = """
. /etc/os-release
[ "$VERSION_CODENAME" != bookworm ] || set -- --suppress-tags newer-standards-version
silently lintian --allow-root -EvIL +pedantic "$@" bat2influx_*.changes
"""
# Checked by other rules than those of the man program, which lintian has used.
MANUAL = """
cd bat2influx/debian/man
quietly makewhatis /usr/share/man
silently mandoc -T lint -W warning *
"""
# It runs on the machine's own system. Otherwise apt creates the first folder at its first prompt;
# piuparts copies /etc/resolv.conf, which has to exist.
PIUPARTS = """
mkdir -p /var/cache/debconf/tmp.ci /srv/copy
touch /etc/resolv.conf
mount -t tmpfs tmpfs /srv/copy
mount --bind / /mnt
quietly piuparts --tmpdir=/srv/copy --existing-chroot=/mnt --keep-sources-list --no-eatmydata \
    --install-purge-install --install-remove-install bat2influx_*_all.deb
grep 'PASS: ' said
umount /mnt /srv/copy
"""
INSTALLED = """
quietly apt-get -q -y install ./bat2influx_*_all.deb
silently systemd-analyze verify bat2influx.service bat2influx@boat.service
for unit in bat2influx bat2influx@; do
    quietly systemd-analyze --no-pager --offline=yes --threshold=11 security \
        /usr/lib/systemd/system/$unit.service
    tail -1 said
done
"""
AUTOPKGTEST = """
quietly autopkgtest --ignore-restrictions=isolation-container,breaks-testbed \
    ./bat2influx_*_all.deb ./bat2influx/ -- null
sed -n '/@@ summary/,$p' said | grep PASS
"""
STEPS = {
    "It is built": BUILD,
    "Built again elsewhere, it is the same to the last byte": BUILD_AGAIN,
    "lintian": LINTIAN,
    "The manual pages": MANUAL,
    "piuparts": PIUPARTS,
    "Its units, and their exposure": INSTALLED,
    "autopkgtest": AUTOPKGTEST,
}


def check(release: str, source: Path) -> bool:
    """Run all steps on a machine of the release; return whether all succeeded."""
    with trees.tree(release) as tree, Machine(tree, release) as machine:
        for each in (source, *source.parent.glob("*.orig.tar.*")):
            machine.copy_in(each, f"/build/{each.name}")
        # Nothing has to wait for a network.
        machine.run("rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*")
        for name, script in STEPS.items():
            start = time.monotonic()
            command = ("/bin/sh", "-euc", PRELUDE + script)
            done = machine.run(*command, check=False, timeout=10 * MINUTES)
            well = done.returncode == 0
            took = time.monotonic() - start
            print(f"{release}: {name}: {'ok' if well else 'FAILED'} ({took:.0f} s)", flush=True)
            for line in (done.stdout + done.stderr).splitlines():
                print(f"    {line}", flush=True)
            if not well:
                return False
    return True


def main() -> int:
    """Check on each given release, by default on all; return the exit code."""
    reason = why_not()
    if reason:
        print(reason, file=sys.stderr)
        return 77
    trees.PACKAGES += TOOLS  # trees like those of tests/system, with more packages
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "bat2influx"
        subprocess.run([TOP / "debian" / "build", "--copy", source], check=True)
        return 0 if all(check(release, source) for release in sys.argv[1:] or trees.RELEASES) else 1


if __name__ == "__main__":
    sys.exit(main())
