"""The history of files."""
