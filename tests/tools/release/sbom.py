"""The bill of materials of a release, as CycloneDX 1.6, by the library of the CycloneDX project.

    PYTHON -m tests.tools.release.sbom FOLDER

PYTHON is that of a virtual environment with `LIBRARY`. Prints the bill of the package in FOLDER:
the package and the source package with their sums, and the Debian packages that it depends on or
works with. It has nothing else, because no library is copied into the package. The same files give
the same bill, byte for byte: its serial number is derived from their sums, its time is the
changelog's.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

LIBRARY = "cyclonedx-python-lib[validation]==11.12.0"
FILES = (".deb", ".dsc", ".gz", ".xz")
SCOPES = {"Depends": "required", "Recommends": "optional", "Suggests": "optional"}
NAMESPACE = uuid.UUID("5f1a4d9e-3c0f-4b52-9d37-6d0f6a2f8c11")


def needed(fields: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, version as in `>= 3.11`, and scope of each package that the fields name."""
    for field, scope in SCOPES.items():
        for each in filter(None, re.split(r"\s*,\s*", fields.get(field, "").strip())):
            found = re.match(r"([a-z0-9.+-]+)(?:\s*\((.+?)\))?", each)
            if found:
                yield found[1], found[2] or "", scope


def bill(package: dict[str, str], files: dict[str, str], when: datetime) -> str:
    """Return the bill of a package with these control fields; `files` are names and SHA-256.

    Raises ValueError for a bill that does not follow the schema of CycloneDX.
    """
    # Only installed in the virtual environment.
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from packageurl import PackageURL

    def summed(name: str, value: str) -> Component:
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=value)]
        return Component(type=ComponentType.FILE, name=name, bom_ref=f"file:{name}", hashes=hashes)

    def dependency(name: str, version: str, scope: str) -> Component:
        url = PackageURL("deb", "debian", name)
        library = name.startswith(("python3-", "lib"))
        return Component(
            type=ComponentType.LIBRARY if library else ComponentType.APPLICATION,
            name=name,
            bom_ref=str(url),
            purl=url,
            scope=ComponentScope(scope),
            properties=[Property(name="debian:version", value=version)] if version else [],
        )

    version = package["Version"]
    own = PackageURL("deb", "bat2influx", "bat2influx", version, {"arch": package["Architecture"]})
    main = Component(
        type=ComponentType.APPLICATION,
        name="bat2influx",
        version=version,
        bom_ref=str(own),
        purl=own,
        licenses=[DisjunctiveLicense(id="MIT")],
        description=package["Description"].partition("\n")[0],
        components=[summed(name, value) for name, value in files.items()],
    )
    made = Bom(
        serial_number=uuid.uuid5(NAMESPACE, " ".join(f"{k} {v}" for k, v in sorted(files.items()))),
        metadata=BomMetaData(component=main, timestamp=when),
        components=[dependency(*each) for each in needed(package)],
    )
    required = [each for each in made.components if each.scope is ComponentScope.REQUIRED]
    made.register_dependency(main, required)
    text = make_outputter(made, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    wrong: Any = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise ValueError(f"the bill is not as its schema has it: {wrong}")
    return f"{text}\n"


def main() -> int:
    """Print the bill of the package in a folder."""
    folder = Path(sys.argv[1])
    (deb,) = folder.glob("*.deb")
    (changes,) = folder.glob("*.changes")
    names = ("Version", "Architecture", "Description", *SCOPES)
    fields = {name: _run("dpkg-deb", "--field", deb, name).strip() for name in names}
    dated = re.search(r"(?m)^Date: (.+)$", changes.read_text())
    assert dated
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.suffix in FILES
    }
    sys.stdout.write(bill(fields, files, parsedate_to_datetime(dated[1])))
    return 0


def _run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
