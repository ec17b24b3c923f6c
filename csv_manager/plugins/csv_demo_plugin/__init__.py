"""csv_manager at work in ten seconds."""
