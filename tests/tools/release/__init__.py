"""`make release`: all that people download, made from a clean checkout and signed by a given key.

`ready` says in words what stands against a release. The package and the source package are built by
debian/build; `changes` takes the notes out of CHANGELOG.md, `sbom` lists what is in the package and
what it needs, `signing` signs the sums, and `repository` adds the package to an apt repository.
"""
