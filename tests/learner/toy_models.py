"""`pipeline models`, but of a release that has the toy head: `python -m tests.learner.toy_models`."""

from pipeline.cli import main
from pipeline.heads.table import SPECS
from tests.learner.toys import SPEC

if __name__ == "__main__":
    SPECS["toy"] = SPEC
    main(prog_name="pipeline")
