"""Who changed what in a table, and the way back."""
