"""Every kind of spreadsheet that can be imported, one module each."""

from apps.imports.sheets import items  # noqa: F401  it registers itself
