"""The command line, called as in a shell."""

from __future__ import annotations

from click.testing import CliRunner, Result

from netdsl.cli import main


def netdsl(*arguments: object, input: str | bytes | None = None) -> Result:
    """Runs a command; a traceback is never an answer."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 1, 2)
    return result
