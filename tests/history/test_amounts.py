"""Amounts and times read exactly, or refused with a reason."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from pipeline.history.amounts import Times, UnreadableError, minor_units, pieces
from tests.history.reading import at

NOW = at("2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("0.07", "EUR", 7),
        ("1.100", "EUR", 110),
        ("0", "EUR", 0),
        ("1980", "JPY", 1980),
        ("1.234", "KWD", 1234),
        ("9999999999.99", "EUR", 999_999_999_999),
        ("4503599627.37", "PLN", 450_359_962_737),
    ],
)
def test_a_price_in_major_units_is_exact_in_the_minor_units_of_its_currency(
    text: str, currency: str, minor: int
) -> None:
    assert minor_units("price", text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("12.505", "EUR", "price has more decimals than EUR"),
        ("12.5", "JPY", "price has more decimals than JPY"),
        ("-1", "EUR", "price is negative"),
        ("12,50", "EUR", "price is not a number"),
        ("", "EUR", "price is not a number"),
        ("nan", "EUR", "price is not a number"),
        ("inf", "EUR", "price is not a number"),
        ("1e2", "EUR", "price is not a number"),
        ("1.0000000000001", "EUR", "price is not a number"),
        ("9999999999999", "EUR", "price is too large"),
        ("1", "EUX", "currency is not one of ISO 4217"),
        ("1", "", "currency is not one of ISO 4217"),
    ],
)
def test_a_price_that_is_none_is_refused(text: str, currency: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        minor_units("price", text, currency)


def test_a_quantity_is_a_whole_number_of_pieces() -> None:
    assert [pieces("1"), pieces("6.0"), pieces("100000")] == [1, 6, 100_000]
    for text in ("0", "-1", "1.5", "100001", "x", "", "nan", "1e999999999"):
        with pytest.raises(UnreadableError, match="quantity is not a"):
            pieces(text)


def test_a_time_without_an_offset_is_of_the_zone_and_one_with_it_is_not() -> None:
    times = Times(ZoneInfo("Europe/Warsaw"), NOW)
    assert times.of("t", "2024-07-01 12:00:00") == at("2024-07-01T10:00:00Z")
    assert times.of("t", "2024-01-01 12:00:00") == at("2024-01-01T11:00:00Z")
    assert times.of("t", "2024-01-01T12:00:00Z") == at("2024-01-01T12:00:00Z")
    assert times.of("t", "2024-01-01") == at("2023-12-31T23:00:00Z")
    assert times.on_the_wall(at("2024-07-01T12:00:00Z")) == at("2024-07-01T10:00:00Z")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-01-01T00:00:01Z", "in the future"),
        ("1970-01-01", "over 20 years ago"),
        ("01/02/2024", "is not a time such as"),
        ("", "is not a time such as"),
        ("9999-12-31T23:59:59-23:59", "in the future"),
    ],
)
def test_a_time_that_cannot_be_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        Times(UTC, NOW).of("ordered_at", text)
