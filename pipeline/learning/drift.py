"""Drift of a head: its loss has changed (ADWIN), or it promises more or less than it keeps (Page-Hinkley)."""

from array import array

from river.drift import ADWIN, PageHinkley

_MOST = 4_000
"""Losses after which ADWIN starts anew from the newer half: so its state is always few numbers, and can be stored."""

_CEILING = 8.0
"""Losses are quantised to two bytes below this."""

_STEPS = 65_535


class Drift:
    """Watches one head. What it has seen since it started anew is kept, so that a copy can be made of it."""

    def __init__(self, losses: bytes = b"", biases: bytes = b"") -> None:
        self._losses, self._biases = array("H"), array("d")
        self._adwin, self._page = ADWIN(), PageHinkley(mode="both")
        kept, gaps = array("H"), array("d")
        kept.frombytes(losses)
        gaps.frombytes(biases)
        for loss in kept:
            self._loss(loss)
        for gap in gaps:
            self._bias(gap)

    def update(self, loss: float, bias: float) -> bool:
        """Take the log-loss of an example, and its prediction less its label. True where that raises the alarm."""
        changed = self._loss(round(min(max(loss, 0.0), _CEILING) / _CEILING * _STEPS))
        biased = self._bias(bias)
        if changed or biased:
            self._losses, self._biases = array("H"), array("d")
            self._adwin, self._page = ADWIN(), PageHinkley(mode="both")
            return True
        if len(self._losses) >= _MOST:
            half = self._losses[_MOST // 2 :], self._biases[_MOST // 2 :]
            self.__init__(half[0].tobytes(), half[1].tobytes())  # type: ignore[misc]
        return False

    def state(self) -> tuple[bytes, bytes]:
        """What `Drift` takes to go on from here."""
        return self._losses.tobytes(), self._biases.tobytes()

    def _loss(self, loss: int) -> bool:
        self._losses.append(loss)
        self._adwin.update(loss / _STEPS)
        return bool(self._adwin.drift_detected)

    def _bias(self, bias: float) -> bool:
        self._biases.append(bias)
        self._page.update(bias)
        return bool(self._page.drift_detected)
