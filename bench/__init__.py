"""The performance harness: `make bench`. Nothing in tangent/ or scripts/ imports it."""
