"""Stored watchers."""
