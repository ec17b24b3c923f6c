"""The history as a groundwork document."""
