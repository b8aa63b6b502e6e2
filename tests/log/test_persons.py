"""Person keys."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.log.persons import anonymous_key, customer_key, escape, ids_of, partition_of, site_of, unescape

ids = st.text(min_size=1, max_size=40)


@given(ids)
def test_any_id_survives_its_key(part: str) -> None:
    assert ids_of(customer_key("shop", part)) == (part, None)
    assert ids_of(anonymous_key("shop", part)) == (None, part)
    assert site_of(customer_key("shop", part)) == "shop"


@given(ids, ids)
def test_different_ids_have_different_keys(one: str, other: str) -> None:
    assert (customer_key("s", one) == customer_key("s", other)) == (one == other)
    assert customer_key("s", one) != anonymous_key("s", other)


@given(ids)
def test_no_key_starts_with_the_byte_of_reserved_rows_nor_holds_control_characters(part: str) -> None:
    assert unescape(escape(part)) == part
    assert not any(ord(c) < 32 or c in "|\x7f" for c in escape(part))


def test_plain_ids_stay_as_they_are() -> None:
    assert customer_key("s", "Ann-1.é@x") == "s|c|Ann-1.é@x"
    assert customer_key("s", "a|b%") == "s|c|a%7Cb%25"


def test_the_partition_of_a_person_is_fixed_for_good() -> None:
    assert [partition_of(f"s|c|{n}", 8) for n in range(8)] == [1, 7, 5, 3, 0, 6, 4, 2]
    assert partition_of("s|a|é", 1024) == 401
