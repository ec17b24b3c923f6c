"""From the operating system's hints to settled arrivals."""

from csv_manager.watch.service import Processed, Watch, WatchService
from csv_manager.watch.settling import wait_settled

__all__ = ["Processed", "Watch", "WatchService", "wait_settled"]
