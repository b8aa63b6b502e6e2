"""What is known already of an earlier import, whatever else a shop has published to the topic."""

from pipeline.history.publish import _identities


def test_what_is_no_event_is_passed_over() -> None:
    nested = b'{"a":' * 20_000
    event = b'{"event_id":"e-1","site_id":"s"}'
    known = _identities("s", [b"[" * 100_000, nested, None, b"no json", event])
    assert known == _identities("s", [event])
    assert len(known) == 1
