"""The documentation site: `python -m docs.site` builds it from `docs/` and from the package's declarations."""
