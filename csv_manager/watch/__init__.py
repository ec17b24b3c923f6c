"""From the operating system's hints to settled arrivals."""

from csv_manager.watch.service import WatchService
from csv_manager.watch.settling import wait_settled
from csv_manager.watch.tracking import Known, Processed, Watch

__all__ = ["Known", "Processed", "Watch", "WatchService", "wait_settled"]
