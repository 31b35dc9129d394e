"""Every kind of spreadsheet that can be imported, one module each."""

from apps.imports.sheets import accounts, erp_stock, gl_rules, items, sku_mappings  # noqa: F401  they register themselves
