"""How a person stands now, as `pipeline why` says it."""

from pipeline.config.policy import Policy
from pipeline.explain.present import standing
from tests.engine.shop import Shop, add, at, order, site_policy


def test_a_cart_holds_what_was_put_in_though_the_clock_has_not_passed_it() -> None:
    shop = Shop(site_policy(steps=(30,)))
    policy = Policy({"*": site_policy(steps=(30,))})
    shop.tell(add(0, "a", price=1_250, quantity=2))
    now = standing(shop.customer(), "s", at(0), policy)
    assert [(line["sku"], line["quantity"]) for line in now["cart"]] == [("a", 2)]
    assert now["worth"] == "25.00 EUR"
    shop.tell(order(1))
    now = standing(shop.customer(), "s", at(1), policy)
    assert (now["cart"], now["worth"]) == ([], None)
