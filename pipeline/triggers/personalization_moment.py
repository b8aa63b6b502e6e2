"""Where a person stands, as live personalization sees it, and what is to be done on site."""

from collections.abc import Callable
from typing import Final

from pipeline.config.durations import DAY
from pipeline.events.customer import Channel, Purpose
from pipeline.log.persons import ids_of
from pipeline.log.rows import ProductRow
from pipeline.policy.permission import allowed
from pipeline.profile.funnel import Stage, stage_at
from pipeline.profile.tastes import bought_lately, first, top
from pipeline.state.customer import Customer
from pipeline.state.shown import Standing, Told
from pipeline.state.tastes import Tastes
from pipeline.triggers.cart_content import active, filled, present
from pipeline.triggers.contract import Action, Moment, Suggestion
from pipeline.triggers.scored import BANDS, band_of
from pipeline.triggers.site_now import SiteNow

PLACES: Final = 3
"""How many items are shown."""

SEARCHES: Final = 3
"""Searches in a row, with no product looked at, after which help is offered."""

LOOKED_AT: Final = 3
"""Products that an anonymous visitor has looked at before being asked to sign up."""

PROMPT_AGAIN: Final = DAY
"""Time between two prompts to one person, milliseconds."""

PROMPTS: Final = frozenset({Action.SIGNUP_PROMPT, Action.PUSH_OPTIN})

_STAGES: Final = {int(stage): stage.name.lower() for stage in Stage}


def standing_of(customer: Customer, last: Standing, at: int, site: SiteNow) -> Standing:
    """Where a person stands at a time. Who was in a rank `last` keeps it until beaten by the margin."""
    in_cart = filled(customer.cart)
    stage, _ = stage_at(customer, at, filled=in_cart)
    tastes, band = customer.tastes, band_of(customer, last.band, at, site)
    if tastes is None:
        return Standing(stage, "", "", in_cart, (), (), band)
    category, brand = first(tastes.categories, last.category), first(tastes.brands, last.brand)
    items = top(tastes.items, last.items, PLACES, _sellable(site.product))
    return Standing(stage, category, brand, in_cart, (), items, band)


def suggested(customer: Customer, site: SiteNow) -> tuple[Suggestion, ...]:
    """What a person may look at next, other than what is in the cart or was bought lately. Nothing else goes by it."""
    tastes = customer.tastes or Tastes()
    sellable = _sellable(site.product)
    in_cart: set[str] | None = None

    def may(sku: str) -> bool:
        nonlocal in_cart
        if in_cart is None:  # asked only where anything is to be suggested
            in_cart = {line.sku for line in active(present(customer.cart))}
        return sku not in in_cart and sellable(sku) and not bought_lately(tastes, sku)

    return site.suggest(site.name, tastes.items, may)


def _sellable(product_of: Callable[[str], ProductRow | None]) -> Callable[[str], bool]:
    def sellable(sku: str) -> bool:
        product = product_of(sku)
        return product is None or (product.stock != 0 and not product.restricted)

    return sellable


def moment_of(standing: Standing) -> Moment:
    """Where a person stands, as a trigger says it."""
    cart = "filled" if standing.filled else "empty"
    return Moment(
        _STAGES[standing.stage], cart, standing.category, standing.brand, standing.segments, BANDS[standing.band]
    )


def urgent(standing: Standing, searches: int, *, leaving: bool) -> Action | None:
    """What is to be done at this very moment, even though the person stands where he stood."""
    if leaving and standing.filled:
        return Action.EXIT_OFFER
    return Action.HELP if searches >= SEARCHES else None


def unhurried(customer: Customer, person: str, standing: Standing, told: Told | None, at: int, site: SiteNow) -> Action:
    """What is to be done where nothing is urgent."""
    if told is None or not told.prompted or at - told.prompted >= PROMPT_AGAIN:
        if ids_of(person)[0] is None:
            if customer.tastes is not None and len(customer.tastes.items) >= LOOKED_AT:
                return Action.SIGNUP_PROMPT
        elif customer.channel == "app" and not _pushes(customer, at, site):
            return Action.PUSH_OPTIN
    return Action.RECOMMEND if standing.items else Action.NONE


def _pushes(customer: Customer, at: int, site: SiteNow) -> bool:
    rules = site.permission
    return allowed(customer.grants, Purpose.MARKETING_MESSAGE, Channel.APP_PUSH, rules, at)
