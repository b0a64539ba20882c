"""`make release`: all downloads of a release, made from a clean checkout and signed by a given key.

`ready` checks that a release is possible. debian/build builds the package and the source package;
`changes` reads the notes from CHANGELOG.md, `sbom` lists the package's content and dependencies,
`signing` signs the sums, and `repository` adds the package to an apt repository.
"""
