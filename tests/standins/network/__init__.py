"""Networks, certificates and brokers of a test's own, and peers made by hand."""
