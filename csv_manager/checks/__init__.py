"""Checks: what is wrong with the rows of a version, by schemas, by SQL, and by what plugins have."""
