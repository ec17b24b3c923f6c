"""What unit tests share: no setting of the outside reaches them, and no one's home is touched."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, not made yet, and no other setting in the environment."""
    for name in list(os.environ):
        if name.startswith("CSV_MANAGER_"):
            monkeypatch.delenv(name)
    path = tmp_path / "home"
    monkeypatch.setenv("CSV_MANAGER_HOME", str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, free of symbolic links in its own name."""
    path = Path(os.path.realpath(tmp_path)) / "files"
    path.mkdir()
    monkeypatch.chdir(path)
    return path
