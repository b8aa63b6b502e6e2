"""`pipeline learner`, but of the toy head: `python -m tests.learner.toy_learner`."""

import asyncio
import sys

from pipeline.config.errors import UserError
from pipeline.config.settings import load_settings
from pipeline.learner.run import run_learner
from tests.learner.toys import BY_COUNT, HEADS

if __name__ == "__main__":
    try:
        asyncio.run(run_learner(load_settings(None), asyncio.Event(), HEADS, BY_COUNT))
    except UserError as error:
        sys.exit(f"pipeline: {error}")
