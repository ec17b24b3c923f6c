"""The databases of the settings."""
