"""Topic `shop.carts`: changes of a cart, as deltas or as whole-cart snapshots."""

from typing import Annotated

from msgspec import Meta

from pipeline.events.envelope import Currency, Event, Id, Items

CartVersion = Annotated[int, Meta(ge=0, le=2**40, description="Breaks ties between changes of one moment.")]


class CartChange(Event, kw_only=True):
    """What all changes of a cart carry."""

    cart_id: Id | None = None
    cart_version: CartVersion = 0


class AddToCart(CartChange, tag="add_to_cart"):
    """`quantity` more of each item."""

    items: Items
    currency: Currency | None = None


class RemoveFromCart(CartChange, tag="remove_from_cart"):
    """`quantity` less of each item; never below nothing."""

    items: Items


class UpdateCart(CartChange, tag="update_cart"):
    """Exactly `quantity` of each item; 0 takes it out."""

    items: Items
    currency: Currency | None = None


class ClearCart(CartChange, tag="clear_cart"):
    """Everything out."""


class CartSnapshot(CartChange, tag="cart_snapshot"):
    """The whole cart as it was at `occurred_at`: replaces what was there, and older deltas are ignored."""

    items: Items
    currency: Currency | None = None


class BeginCheckout(CartChange, tag="begin_checkout"):
    """Checkout started; the content stays as it is."""


CartEvent = AddToCart | RemoveFromCart | UpdateCart | ClearCart | CartSnapshot | BeginCheckout
