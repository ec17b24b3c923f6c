"""A bare groundwork app with groundwork's default plugins, started as groundwork itself starts one.

Called as `bare_groundwork.py alone|installed ARGUMENTS…`. Nothing stands in for what groundwork imports. An App imports
every installed plugin: `alone` leaves it groundwork's own, as in an environment with groundwork and nothing else;
`installed` all that are installed, except csv_manager's.
"""

import sys
from collections.abc import Iterator
from typing import Any

import groundwork.pluginmanager
from groundwork import App

_DEFAULT_PLUGINS = ["GwPluginsInfo", "GwSignalsInfo", "GwCommandsInfo", "GwDocumentsInfo", "GwRecipesBuilder"]
#: What groundwork drags in; a run without it would measure something else.
_DRAGGED_IN = ("pkg_resources", "future.utils", "cookiecutter.main", "jinja2", "docutils.core")


def main() -> None:
    which = sys.argv.pop(1)
    iter_entry_points = groundwork.pluginmanager.iter_entry_points

    def chosen(group: str, name: str | None = None) -> Iterator[Any]:
        for point in iter_entry_points(group, name):
            package = point.module_name.partition(".")[0]
            if package == "groundwork" or (which == "installed" and package != "csv_manager"):
                yield point

    groundwork.pluginmanager.iter_entry_points = chosen
    app = App()
    app.plugins.activate(_DEFAULT_PLUGINS)
    missing = [name for name in _DRAGGED_IN if name not in sys.modules]
    if missing or "csv_manager" in sys.modules:
        sys.exit(f"This is no bare groundwork app: without {missing}, or with csv_manager.")
    app.commands.start_cli()


if __name__ == "__main__":
    main()
