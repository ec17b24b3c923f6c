"""csv_watch as a service that the system starts."""
