from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_imports_go_down(capsys):
    """The contract is in pyproject.toml; the order is architecture.md section 2."""
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS, capsys.readouterr().out
