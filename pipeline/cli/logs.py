"""How processes log: one line a record, to standard error, with the process's name."""

import logging


def log_to_stderr() -> None:
    """Log from INFO on; libraries only from WARNING on."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("pipeline").setLevel(logging.INFO)
