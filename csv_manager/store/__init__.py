"""The catalog in SQL: watchers, files, versions, row changes and the outbox."""
