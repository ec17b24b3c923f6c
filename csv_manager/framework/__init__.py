"""The only package that touches groundwork's insides.

Importing it imports groundwork, fast, by way of `shim`. Everything that groundwork gets wrong today is mended here:
databases, commands, threads, unknown plugins, errors, shutdown.
"""

from csv_manager.framework import shim as _shim

_shim.import_groundwork()
