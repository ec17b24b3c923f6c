"""How everything that is watched is."""
