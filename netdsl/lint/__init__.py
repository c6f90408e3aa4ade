"""The third pass: `warn.warn` reports warnings, about what compiles but is most likely a mistake.

It changes nothing and reports no errors.
"""
