"""Watches files of the settings and of the command line."""
