"""Who changed what in which table, sealed so that nobody changes the record of it; and the way back."""
