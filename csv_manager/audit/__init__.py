"""Who changed what in which table, sealed so that nobody changes the record of it; and the way back.

For any program that uses SQLAlchemy: `log_changes` tells each changed row as a `ChangeLog`, and `log_queries` each
statement that wrote as a `QueryLog`. `deliver` brings what a database that was away has missed.
"""

from csv_manager.audit.loggers import ChangeLogger, QueryLogger, deliver, log_changes, log_queries
from csv_manager.audit.models import ChangeLog, QueryLog

__all__ = ["ChangeLog", "ChangeLogger", "QueryLog", "QueryLogger", "deliver", "log_changes", "log_queries"]
