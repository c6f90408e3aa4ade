"""The documentation site: `python -m docs.site` makes it of `docs/` and of the package's declarations."""
