"""Click logs of three shapes become the same interactions; what cannot be read costs its line alone."""

import gzip
from pathlib import Path

import pytest

from pipeline.backtest.clicklog import Interaction, read_clicklog
from pipeline.config.errors import UserError
from pipeline.replay.rows import Action

OWN = "occurred_at,person,type,item,category,price,session"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "log.csv"
    path.write_text("\n".join((*lines, "")))
    return path


def test_our_own_shape_by_time_with_offsets_and_epochs(tmp_path):
    log = read_clicklog(
        written(
            tmp_path,
            OWN,
            "2024-03-01T12:00:00+01:00,p,purchase,a,shoes,12.50,s1",
            "1709287200000,p,add_to_cart,b,,,",
        )
    )
    assert (log.shape, log.lines, log.skipped) == ("interactions", 2, {})
    assert log.interactions == (
        Interaction(1_709_287_200_000, "p", Action.ADD, "b"),
        Interaction(1_709_290_800_000, "p", Action.BUY, "a", "shoes", price=1_250, session="s1"),
    )


def test_the_shape_of_taobao(tmp_path):
    log = read_clicklog(written(tmp_path, "user_id,item_id,category_id,event,ts", "1,2,3,fav,1511539222"))
    assert log.interactions == (Interaction(1_511_539_222_000, "1", Action.WISH, "2", "3"),)


def test_the_shape_of_rees46_zipped(tmp_path):
    path = tmp_path / "log.csv.gz"
    lines = (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
        "2019-10-01 00:00:01 UTC,remove_from_cart,9,7,a.b,acme,35.79,5,s",
        "2019-10-01 00:00:00 UTC,view,9,7,,,,5,",
    )
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    assert read_clicklog(path).interactions == (
        Interaction(1_569_888_000_000, "5", Action.VIEW, "9", "7"),
        Interaction(1_569_888_001_000, "5", Action.REMOVE, "9", "a.b", "acme", 3_579, "s"),
    )


def test_columns_may_stand_in_any_order_and_beside_others(tmp_path):
    log = read_clicklog(written(tmp_path, "item,device,person,occurred_at,type", "a,phone,p,1000,view_item"))
    assert log.interactions == (Interaction(1000, "p", Action.VIEW, "a"),)


def test_a_line_that_cannot_be_read_costs_that_line_and_is_counted_by_its_reason(tmp_path):
    log = read_clicklog(
        written(
            tmp_path,
            OWN,
            "1000,p,view_item,a,,,",
            "1000,p,glance,a,,,",
            "1000,p,peek,a,,,",
            "1000,,view_item,a,,,",
            "yesterday,p,view_item,a,,,",
            "2024-03-01T12:00:00,p,view_item,a,,,",
            "1000,p,view_item,a,,-1,",
            "1000,p,view_item",
        )
    )
    assert len(log.interactions) == 1
    assert log.skipped == {
        "a field is none of view_item, add_to_cart, add_to_wishlist, remove_from_cart, purchase": 2,
        "a field is not a time such as 2024-03-01T12:30:00+01:00": 1,
        "not 7 fields": 1,
        "occurred_at has no offset": 1,
        "person is missing": 1,
        "price is negative": 1,
    }
    assert log.lines == len(log.interactions) + sum(log.skipped.values())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["who,what,when", "p,a,1000"], "none of the known shapes"),
        ([""], "none of the known shapes"),
        ([OWN], "it ends after its header"),
        ([OWN, "never,p,view_item,a,,,"], "no line that can be used: a field is not a time"),
    ],
)
def test_a_file_that_is_no_click_log_is_a_mistake_of_one_line(tmp_path, lines, words):
    with pytest.raises(UserError, match=words) as error:
        read_clicklog(written(tmp_path, *lines))
    assert "\n" not in str(error.value)
