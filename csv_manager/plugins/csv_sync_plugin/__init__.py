"""SQL tables that follow files."""
