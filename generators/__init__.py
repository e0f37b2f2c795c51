"""Writers of what is generated in this repository, and kept so by tests; `make` calls them."""
