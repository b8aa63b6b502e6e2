"""How a person stands now, as `pipeline why` says it."""

from typing import Any

from pipeline.config.policy import Policy
from pipeline.explain.decisions import at_of
from pipeline.explain.present import standing
from pipeline.triggers.contract import Kind
from tests.engine.learned import LearningShop, constant, row
from tests.engine.shop import ANN, Shop, add, at, order, site_policy


def test_a_cart_holds_what_was_put_in_though_the_clock_has_not_passed_it() -> None:
    shop = Shop(site_policy(steps=(30,)))
    policy = Policy({"*": site_policy(steps=(30,))})
    shop.tell(add(0, "a", price=1_250, quantity=2))
    now = standing(shop.customer(), ANN, at(0), policy)
    assert [(line["sku"], line["quantity"]) for line in now["cart"]] == [("a", 2)]
    assert now["worth"] == "25.00 EUR"
    shop.tell(order(1))
    now = standing(shop.customer(), ANN, at(1), policy)
    assert (now["cart"], now["worth"]) == ([], None)


def test_the_next_win_back_is_told_as_it_is_due_and_by_whom() -> None:
    """A model that expects an order in three weeks to thirty days after the first one; without it, the rules hold."""

    def told(*models: float) -> tuple[dict[str, Any], str]:
        policy = site_policy()
        shop = LearningShop(policy, kind=Kind.WIN_BACK)
        for logit in models:
            shop.broadcast(row(constant("reorder", logit, bin_5=4.0)))
        shop.tell(order(0))
        now = standing(shop.customer(), ANN, at(0), Policy({"*": policy}))
        shop.clock(100 * 24 * 60)
        (trigger,) = shop.triggers()
        return now["next_win_back"], trigger["data"]["due_at"]

    learned, emitted = told(-3.0)
    assert learned["timing"] == "learned"
    assert learned["at"] == at_of(emitted)
    ruled, emitted = told()
    assert (ruled["timing"], ruled["variant"]) == ("rules", "second_order")
    assert ruled["at"] == at_of(emitted) > learned["at"]
