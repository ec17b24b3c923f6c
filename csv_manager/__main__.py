"""`python -m csv_manager`."""

from csv_manager.applications.csv_manager_app import start_app

if __name__ == "__main__":
    start_app()
