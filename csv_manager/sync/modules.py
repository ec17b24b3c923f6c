"""The tables that a Python module declares."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from csv_manager.core.errors import ConfigurationError
from csv_manager.sync.declaring import declare, declared_in, in_order
from csv_manager.sync.schema import Table


def is_module(told: str) -> bool:
    """Whether an argument means a module: a Python file, or a dotted name of one that can be found."""
    path = Path(told)
    if path.suffix == ".py" or path.exists():
        return path.suffix == ".py"
    names = told.split(".")
    try:
        return all(name.isidentifier() for name in names) and importlib.util.find_spec(told) is not None
    except (ImportError, ValueError):
        return False


def tables_of(told: str) -> list[Table]:
    """The tables that a module declares: a Python file, or a dotted name. Its code is executed.

    Raises `ConfigurationError` for one that fails, and for one that declares none.
    """
    if not is_module(told):
        raise ConfigurationError(f"{told!r} is no module; name a Python file, which ends with .py, or a dotted name.")
    if told.endswith(".py") and not Path(told).expanduser().is_file():
        raise ConfigurationError(f"There is no file {told}.")
    try:
        module = _loaded(told)
    except (Exception, SystemExit) as error:  # whatever a module of somebody's raises
        raise ConfigurationError(f"The module {told} cannot be read: {type(error).__name__}: {error}.") from error
    found = [declare(each) for each in declared_in(vars(module))]
    if not found:
        raise ConfigurationError(
            f"The module {told} declares no table: a dataclass with a field such as id: Annotated[int, PrimaryKey()]."
        )
    return list(in_order(found))


def _loaded(told: str) -> ModuleType:
    path = Path(told).expanduser()
    if path.suffix != ".py":
        return importlib.import_module(told)
    name = f"csv_manager_tables_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
