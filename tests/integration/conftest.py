"""What several of the integration tests begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import servers


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database for a plugin's tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'warehouse.db'}"
        return
    with servers.database(request.param) as url:
        yield url.render_as_string(hide_password=False)
