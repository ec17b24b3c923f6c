"""Rules that versions are checked by, and the gate that holds them."""
