"""What makes room in one table while it is still asked for in another."""

from pipeline.next_item.tables import Limits, Tables
from pipeline.next_item.touch import Touch


def test_an_item_is_ranked_though_what_is_popular_on_its_site_has_made_room() -> None:
    tables = Tables(Limits(categories=2))
    tables.observe(Touch("one", "a", "shoes", ("b",), new=True))
    for item in ("c", "d"):
        tables.observe(Touch("other", item, "socks", (), new=True))
    rows = dict(tables.changed(100))
    assert len([value for value in rows.values() if value is not None]) == len(tables) == 5
