"""How fast the pipeline is: `make bench`, or `python -m bench --help`. README.md says how each figure is taken."""
