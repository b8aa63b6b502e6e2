"""The kinds of learners that a head may have: one that predicts a chance, one that predicts a count."""

from pipeline.config.errors import UserError
from pipeline.learning import count, state
from pipeline.learning.count import CountLearner, CountSpec
from pipeline.learning.head import HeadLearner
from pipeline.learning.head_spec import HeadSpec
from pipeline.learning.state import StateError
from pipeline.scoring.example import Example

AnySpec = HeadSpec | CountSpec
AnyLearner = HeadLearner | CountLearner


def new_learner(spec: AnySpec) -> AnyLearner:
    """One that has learned nothing."""
    return CountLearner(spec) if isinstance(spec, CountSpec) else HeadLearner(spec)


def resumed(spec: AnySpec, data: bytes) -> AnyLearner:
    """One that goes on from a state. Raises StateError where its features are others, UserError by its format."""
    try:
        if isinstance(spec, CountSpec):
            counted = count.decode_state(data)
        else:
            known = state.decode_state(data)
    except StateError as error:
        raise UserError(f"{error}: use the release that wrote it") from error
    return CountLearner.resumed(spec, counted) if isinstance(spec, CountSpec) else HeadLearner.resumed(spec, known)


def stored(learner: AnyLearner) -> bytes:
    """Its state as bytes."""
    if isinstance(learner, CountLearner):
        return count.encode_state(learner.state())
    return state.encode_state(learner.state())


def learn(learner: AnyLearner, example: Example) -> bool:
    """Learn. False for an example that makes no sense: then nothing has changed but the count of those."""
    if isinstance(learner, HeadLearner) and example.label not in (0, 1):
        return False
    try:
        return learner.learn(example)
    except (ArithmeticError, ValueError, IndexError):  # of its columns, which are worked out before anything is changed
        return False
