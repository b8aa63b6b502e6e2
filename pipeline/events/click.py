"""Topic `shop.clicks`: what a visitor looks at."""

from msgspec import Struct

from pipeline.events.envelope import Currency, Event, Id, Items, Label


class PageView(Event, tag="page_view"):
    """A page that is none of the others."""

    page: Label | None = None


class ViewItem(Event, tag="view_item"):
    """A product page."""

    items: Items
    currency: Currency | None = None


class ViewItemList(Event, tag="view_item_list"):
    """A list of products, as a shelf or a recommendation."""

    item_list_id: Id | None = None
    items: Items | None = None
    currency: Currency | None = None


class ViewCategory(Event, tag="view_category"):
    """A category page."""

    item_category: Label


class ViewContent(Event, tag="view_content"):
    """An article, a guide, a video: content that is not for sale."""

    content_id: Id


class Search(Event, tag="search"):
    """A search in the shop."""

    search_term: Label


class AddToWishlist(Event, tag="add_to_wishlist"):
    """Kept for later."""

    items: Items
    currency: Currency | None = None


class Like(Event, tag="like"):
    """Marked as liked."""

    items: Items


class ExitIntent(Event, tag="exit_intent"):
    """The pointer left for the close button."""

    page: Label | None = None


class AppOpen(Event, tag="app_open"):
    """The app was opened; app visits are counted apart from web visits."""


ClickEvent = (
    PageView
    | ViewItem
    | ViewItemList
    | ViewCategory
    | ViewContent
    | Search
    | AddToWishlist
    | Like
    | ExitIntent
    | AppOpen
)

ITEM_CLICKS: tuple[type[Struct], ...] = (ViewItem, ViewItemList, AddToWishlist, Like)
"""Clicks that may name items."""
