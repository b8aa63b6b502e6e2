"""How the engine runs: compiled, as in the image, or from its sources. Either comes to the same bytes."""

from typing import Final

from pipeline.engine import fold

COMPILED: Final = not (fold.__file__ or "").endswith(".py")
