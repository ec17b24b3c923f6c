"""The stages in their order: arrival, snapshot, change set, findings, COMMIT, receivers."""
