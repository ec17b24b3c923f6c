"""What csv_manager does, one folder for each plugin: commands and wiring only."""
