"""From the stored customer to the profile that readers see."""

from datetime import UTC, datetime

from pipeline.log.consent import signals
from pipeline.log.persons import ids_of, site_of
from pipeline.state.cart import Cart, CartLine
from pipeline.state.customer import Customer, Grants, last_activity
from pipeline.triggers.cart_content import active, after, worth
from pipeline.view.profile import FORMAT, CartItem, Profile, ProfileCart, Word


def project(person: str, customer: Customer, version: str) -> Profile:
    """The profile of a stored customer; `person` is the key, `version` where the changelog has it."""
    customer_id, anonymous_id = ids_of(person)
    return Profile(
        version=version,
        format=FORMAT,
        site_id=site_of(person),
        customer_id=customer_id,
        anonymous_id=anonymous_id,
        last_seen_at=_time(customer.seen),
        last_cart_addition_at=_time(customer.cart_added),
        last_order_at=_time(customer.ordered),
        last_offline_order_at=_time(customer.ordered_offline),
        bot_at=_time(customer.bot),
        channel=customer.channel,
        device=customer.device,
        locale=customer.locale,
        channels={channel: _at(at) for channel, at in last_activity(customer).items()},
        cart=_cart(customer.cart),
        permissions=_words(customer.grants),
        consent_mode=dict(signals(customer.page_consent)),
    )


def _cart(cart: Cart | None) -> ProfileCart | None:
    """Changes that the log's clock has not passed are in it: a reader wants the cart as it is now."""
    if cart is None:
        return None
    lines = cart.lines
    for change in cart.pending:
        lines = after(lines, change)
    if not lines:
        return None
    return ProfileCart(tuple(map(_item, lines)), worth(active(lines)))


def _item(line: CartLine) -> CartItem:
    price = line.price if line.price >= 0 else None
    return CartItem(line.sku, line.quantity, price, line.currency, line.category, line.brand, line.dormant)


def _words(grants: Grants) -> tuple[Word, ...]:
    return tuple(
        Word(purpose, word.granted, word.basis, _at(word.at), channel)
        for key, words in grants.items()
        for purpose, _, channel in [key.partition(":")]
        for word in words
    )


def _time(at: int) -> datetime | None:
    return _at(at) if at else None


def _at(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
