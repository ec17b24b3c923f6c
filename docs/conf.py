"""Sphinx: how the documentation is built. `sphinx-build -W docs docs/_build/html`."""

from csv_manager import __version__

project = "csv_manager"
author = "The csv_manager founders"
copyright = "2026, The csv_manager founders"
release = version = __version__

extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
# In docstrings, `name` is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False

html_theme = "furo"
html_title = f"csv_manager {release}"
html_copy_source = False
html_show_sourcelink = False
