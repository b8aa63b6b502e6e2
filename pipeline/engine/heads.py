"""What is learned of a person from one event, what the heads say of it, and the labels that time makes known."""

from typing import Final

from msgspec.structs import replace
from xxhash import xxh3_64_intdigest

from pipeline.engine.touches import hand_over
from pipeline.heads import cart, count, intent, reorder
from pipeline.log.persons import has_account
from pipeline.log.rows import CartOp, CartRow, Click, ClickKind, MessageRow, OrderNews, OrderRow, PersonEvent, Report
from pipeline.profile.days import day_of, start_of
from pipeline.profile.money import in_base_currency
from pipeline.profile.orders import orders_on
from pipeline.scoring.hazard import CART_EDGES, HOUR, MINUTE
from pipeline.state.cart import CART_CHANGE, CartChange
from pipeline.state.customer import NEVER, Customer
from pipeline.state.heads import MAX_DUE, Heads, OfOrders, encode_orders, of_orders, orders_label
from pipeline.state.orders import Order, Orders, OrderState
from pipeline.state.recent import digest
from pipeline.state.tastes import Tastes
from pipeline.state.wake import wake_by
from pipeline.triggers.cart_content import Lines, active, after, present, priced, worth
from pipeline.triggers.scored import lost_by
from pipeline.triggers.site_now import SiteNow

_VIEW_ITEM: Final = int(ClickKind.VIEW_ITEM)
_VIEW_CATEGORY: Final = int(ClickKind.VIEW_CATEGORY)
_SEARCH: Final = int(ClickKind.SEARCH)
_FAVOURING: Final = frozenset(map(int, (ClickKind.ADD_TO_WISHLIST, ClickKind.LIKE)))
_ADD: Final = int(CartOp.ADD)
_REMOVE: Final = int(CartOp.REMOVE)
_CHECKOUT: Final = int(CartOp.CHECKOUT)
_PURCHASE: Final = int(OrderNews.PURCHASE)
_SENT: Final = int(Report.SENT)
_CANCELLED: Final = int(OrderState.CANCELLED)
_UNTOLD: Final = int(OrderState.UNTOLD)
_WITHIN: Final = int(OrderState.WITHIN)
_NOT_COUNTED: Final = _CANCELLED | int(OrderState.RENEWAL)

UNASKED: Final = "unasked"
"""A prediction that was not kept, because as many as may be wait for their labels already."""

_LABELS_BY: Final = 30 * MINUTE
"""A cart's bins are so short at first that waking a person for each would cost more than the label is worth."""

_GOING_LIVE: Final = HOUR
"""Over which the labels of past orders are handed over once a site goes live."""

_CLICK: Final = Click  # in compiled code a constant is at hand, a global is looked up at each use
_NOTHING: Final = Heads()
_UNKNOWN: Final = intent.Memory()
_heads: Final = Heads


def take(customer: Customer, known: Tastes | None, person: str, event: PersonEvent, site: SiteNow) -> None:
    """Take an event that the profile has taken, of a person of whom a profile may be kept.

    What is predicted of it is scored with the models of now, and kept until its label is known. Products that it
    touches are handed over; the affinities from before it, `known`, tell which are new to the person.
    """
    if type(event) is _CLICK:
        _click(customer, known, event, site)
    elif isinstance(event, CartRow):
        _cart(customer, known, person, event, site)
    elif isinstance(event, OrderRow):
        if event.news == _PURCHASE and not event.renewal:
            _order(customer, event, site)
    elif isinstance(event, MessageRow) and event.report == _SENT:
        leave(customer, event.at)


def miss(customer: Customer, event: OrderRow) -> None:
    """Note of an order that the profile has taken that no head is told of it: what comes of it is not theirs either."""
    if event.news == _PURCHASE and customer.orders is not None:
        customer.orders = _marked(customer.orders, {event.order_id}, _UNTOLD)


def correct(customer: Customer, before: Orders | None, event: OrderRow, site: SiteNow) -> None:
    """Correct what the heads hold of an order that they were told of, once the profile has taken news of it.

    `before` are the facts from before the news. They hold of an order what it was worth without what went back, and
    nothing of one that was cancelled.
    """
    heads, orders = customer.heads, customer.orders
    if before is None or orders is None or heads is None or (of := of_orders(heads)) is None or not of.reorder.day_end:
        return
    known, order = _order_of(before, event.order_id), _order_of(orders, event.order_id)
    if known is None or order is None or order.state & (_UNTOLD | int(OrderState.RENEWAL)):
        return
    held, counts = of.reorder, of.count
    day_end = start_of(order.day + 1, site.policy.timezone)
    gone = order.state & ~known.state & _CANCELLED
    if gone and not order.state & _WITHIN and not _stands(orders, order.day):
        after = _as_of_now(reorder.taken_back(held, day_end, _left_of(known)), orders, site.policy.timezone)
        counts = count.taken_back(counts, held, after, day_end)
    elif more := _left_of(order) - _left_of(known):
        after = reorder.revalued(held, day_end, more)
    else:
        return
    customer.heads = replace(heads, orders=encode_orders(OfOrders(after, of.due, counts)))
    wake_by(customer, wake(customer, site))


def leave(customer: Customer, at: int) -> None:
    """A message went out: what the cart's silence says from now on is not the customer's own doing."""
    heads = customer.heads
    if heads is not None and heads.cart is not None:
        customer.heads = replace(heads, cart=cart.censored(heads.cart, at))


def empty(customer: Customer, at: int) -> None:
    """There is no cart, whatever the heads took for one: a change came late, after the order that closed it."""
    heads = customer.heads
    if heads is not None and heads.cart is not None and heads.cart.opened:
        customer.heads = replace(heads, cart=cart.emptied(heads.cart, at))


def settle(customer: Customer, site: SiteNow) -> None:
    """Hand over the labels that the clock has made known."""
    heads, clock = customer.heads, site.clock
    customer.session_due = NEVER
    if heads is None:
        return
    learn, live = site.learn, clock >= site.policy.live_from
    sure, carts, orders = heads.intent, heads.cart, heads.orders
    if sure is not None:
        sure, labels = intent.settle(sure, clock)
        customer.session_due = intent.session_label(sure)
        for label in labels:
            learn("intent", label)
    if carts is not None:
        carts, labels = cart.settle(carts, clock)
        for label in labels:
            learn("cart", label)
        carts = _said_of_cart(carts, site)
    if live and (of := of_orders(heads)) is not None:  # before it, past orders may still be told
        reorders, labels = reorder.settle(of.reorder, clock)
        for label in labels:
            learn("reorder", label)
        reorders = _said_of_next_order(reorders, site)
        counts, labels = count.settle(of.count, reorders, clock)
        for label in labels:
            learn("count", label)
        if reorders is not of.reorder or counts is not of.count:
            orders = encode_orders(OfOrders(reorders, of.due, counts))
    customer.heads = Heads(sure, carts, orders)


def wake(customer: Customer, site: SiteNow) -> int:
    """When the next labels are known, epoch milliseconds; 0 for none.

    What orders teach before the site goes live is known once it does: spread over _GOING_LIVE, for then all are due.
    """
    heads = customer.heads
    if heads is None:
        return 0
    times = [
        0 if heads.intent is None else intent.next_label(heads.intent),
        0 if heads.cart is None else _cart_labels(heads.cart),
    ]
    if (orders := heads.orders) is not None and (label := orders_label(orders)):
        if site.clock < site.policy.live_from:
            label = max(label, site.policy.live_from + xxh3_64_intdigest(orders) % _GOING_LIVE)
        times.append(label)
    return min([time for time in times if time], default=0)


def _said_of_cart(memory: cart.Memory, site: SiteNow) -> cart.Memory:
    """With what the model says of the bin that the silence has reached, so that it is known how good that was.

    A trigger that is due now says the same. The first bins are over before the clock looks: nothing is said of them.
    """
    one, scorer = cart.open_of(memory), site.models.get("cart")
    if one is None or one.version or scorer is None:
        return memory
    return cart.served(memory, scorer.log_odds(one.inputs, scorer.shop(site.name)), scorer.version)


def _said_of_next_order(memory: reorder.Memory, site: SiteNow) -> reorder.Memory:
    """With what the model says of the bin that has begun, so that it is known how good that was."""
    one, scorer = reorder.waiting(memory), site.models.get("reorder")
    if one is None or one.version or scorer is None:
        return memory
    said = scorer.log_odds(reorder.inputs(one.facts, one.bin), scorer.shop(site.name))
    return reorder.served(memory, said, scorer.version)


def _click(customer: Customer, known: Tastes | None, event: Click, site: SiteNow) -> None:
    kind, at = event.kind, event.at
    heads = customer.heads or _NOTHING
    memory = heads.intent or _UNKNOWN
    lines = event.lines
    item = lines[0].sku if lines else ""
    if kind == _VIEW_ITEM and lines:
        memory = intent.viewed(memory, at, item, lines[0].category)
    elif kind == _VIEW_CATEGORY:
        memory = intent.browsed(memory, at, event.subject)
    elif kind == _SEARCH:
        memory = intent.searched(memory, at)
    elif kind in _FAVOURING and lines:
        memory = intent.favoured(memory, at, item, lines[0].category)
    else:
        return
    carts = heads.cart
    if lines and kind != _VIEW_CATEGORY and kind != _SEARCH:
        hand_over(customer, known, memory.session, lines, site)
    if carts is not None:
        carts = cart.viewed(carts, at, item)
    customer.heads = _heads(_asked(customer, memory, event, site), carts, heads.orders)


def _cart(customer: Customer, known: Tastes | None, person: str, event: CartRow, site: SiteNow) -> None:
    at, op = event.at, event.op
    heads = customer.heads or _NOTHING
    memory, carts = heads.intent or intent.Memory(), heads.cart or _first_cart(customer)
    if op == _ADD and event.lines:
        memory = intent.carted(memory, at, event.lines[0].sku, event.lines[0].category)
        hand_over(customer, known, memory.session, event.lines, site)
    elif op == _CHECKOUT:
        memory = intent.checked_out(memory, at)
    else:
        memory = intent.changed_cart(memory, at)
    lines = () if op == _CHECKOUT else present(customer.cart)
    if op == _CHECKOUT or (op == _REMOVE and not _hold(lines, event)):
        carts = cart.viewed(carts, at)
    elif not (lines := _left(lines, event, site)):
        carts = cart.emptied(carts, at)
    else:
        carts, labels = cart.settle(carts, site.clock)
        for label in labels:
            site.learn("cart", label)
        facts = cart.Facts(worth(lines), len(lines), int(customer.device in cart.MOBILE), int(has_account(person)))
        carts = cart.carted(carts, at, _name(event.id), event.lines[0].sku if event.lines else "", facts)
        if not carts.open:
            site.note(UNASKED)
        wake_by(customer, _cart_labels(carts))
    customer.heads = Heads(_asked(customer, memory, event, site), carts, heads.orders)


def _asked(customer: Customer, memory: intent.Memory, event: Click | CartRow, site: SiteNow) -> intent.Memory:
    """Keep the prediction where the session has come so far, and have the clock look when the session has ended."""
    if end := customer.session_due:
        if intent.begins(memory):
            customer.session_due = NEVER
            wake_by(customer, end)
        else:
            customer.session_due = memory.last + intent.GAP
    if not intent.kept_now(memory):
        return memory
    scorer, at = site.models.get("intent"), event.at
    served, version = None, 0
    if scorer is not None:
        served, version = scorer.log_odds(intent.inputs(memory, at), scorer.shop(site.name)), scorer.version
    after = intent.predicted(memory, _name(event.id), at, served, version)
    if after is memory:
        site.note(UNASKED)
    else:
        customer.session_due = memory.last + intent.GAP
    return after


def _order(customer: Customer, event: OrderRow, site: SiteNow) -> None:
    heads, at, zone = customer.heads or _NOTHING, event.at, site.policy.timezone
    sure, carts, of = heads.intent, heads.cart, of_orders(heads) or OfOrders(reorder.Memory())
    before, due = of.reorder, of.due
    if site.clock < site.policy.live_from and len(before.pending) == reorder.MAX_PENDING:
        before, labels = reorder.settle(before, at)  # a past order: all before it has been told
        for label in labels:
            site.learn("reorder", label)
    if not event.offline:
        sure = intent.ordered(sure or intent.Memory(), at)
    if carts is not None:
        carts = cart.ordered(carts, at)
    day = day_of(at, zone)
    day_end = start_of(day + 1, zone)
    orders = _told(customer.orders or Orders(), event, day, before, day_end)
    order = _order_of(orders, event.order_id)  # already gone where eight newer ones are known
    value = _left_of(order) if order else in_base_currency(event.value, event.currency, site.policy) or 0
    customer.orders = orders
    items = sum(max(line.quantity, 0) for line in event.lines)
    after = _said_of_next_order(reorder.ordered(before, _name(event.id), at, day_end, value, items), site)
    if after.day_end == day_end and (expected := lost_by(after, day_end, site)) is not None:
        due = (*[one for one in due if one[0] != at], (at, expected))[-MAX_DUE:]
    counts = _counted(of.count, before, after, at, site)
    customer.heads = Heads(sure, carts, encode_orders(OfOrders(after, due, counts)))
    wake_by(customer, wake(customer, site))


def _counted(
    memory: count.Memory, before: reorder.Memory, after: reorder.Memory, at: int, site: SiteNow
) -> count.Memory:
    """The windows with an order in them; what is known of them by now is handed over first."""
    if site.clock >= site.policy.live_from:
        memory, labels = count.settle(memory, before, site.clock)
    elif len(memory.starts) > count.MAX_STARTS // 2:
        memory, labels = count.settle(memory, before, at)  # a past order: all before it has been told
    else:
        labels = ()
    for label in labels:
        site.learn("count", label)
    taken = count.ordered(memory, before, after, at)
    if memory.starts and taken.starts[0].second > memory.starts[0].second:
        site.note(UNASKED)
    return taken


def _told(orders: Orders, event: OrderRow, day: int, before: reorder.Memory, day_end: int) -> Orders:
    """The facts with a mark on what the heads, which are told of this order now, do not know, or not as a purchase."""
    if not before.day_end:
        return _marked(orders, {order.id for order in orders.recent} - {event.order_id}, _UNTOLD)
    if day_end >= before.day_end:
        return orders
    within = _marked(orders, {event.order_id}, _WITHIN)
    return orders if _stands(within, day) else within


def _marked(orders: Orders, names: set[str], bit: int) -> Orders:
    """The facts with a bit of OrderState at the orders of these names."""
    marked = [replace(one, state=one.state | bit) if one.id in names else one for one in orders.recent]
    return replace(orders, recent=tuple(marked))


def _stands(orders: Orders, day: int) -> bool:
    """Whether a day is a purchase to the heads for an order that was not cancelled, be it one no longer remembered."""
    here = [order for order in orders.recent if order.day == day and not order.state & _NOT_COUNTED]
    return any(not order.state & (_UNTOLD | _WITHIN) for order in here) or orders_on(orders, day) > len(here)


def _as_of_now(memory: reorder.Memory, orders: Orders, zone: str) -> reorder.Memory:
    """What is held once a purchase day was taken back, with what the orders of the day before it are worth by now."""
    day, facts = day_of(memory.day_end - 1, zone), memory.facts
    here = [one for one in orders.recent if one.day == day and not one.state & (_NOT_COUNTED | _UNTOLD | _WITHIN)]
    return replace(memory, facts=replace(facts, value=sum(map(_left_of, here)))) if here else memory


def _order_of(orders: Orders, name: str) -> Order | None:
    return next((order for order in orders.recent if order.id == name), None)


def _left_of(order: Order) -> int:
    """What an order is worth, minor units of the site's base currency."""
    return 0 if order.state & _CANCELLED else max(order.value - order.refunded, 0)


def _cart_labels(memory: cart.Memory) -> int:
    """When it is worth waking for labels of the cart."""
    if memory.step > 0 and CART_EDGES[memory.step - 1] <= _LABELS_BY:  # as right after a touch
        return memory.touched + _LABELS_BY
    known = cart.next_label(memory)
    return max(known, memory.touched + _LABELS_BY) if known else 0


def _first_cart(customer: Customer) -> cart.Memory:
    """What the head is told of a person who had no cart yet: the profile has counted the orders."""
    return cart.Memory(orders=0 if customer.orders is None else customer.orders.count)


def _left(lines: Lines, event: CartRow, site: SiteNow) -> Lines:
    """What a change leaves in a cart, of what counts for an abandonment. No trigger has taken the change yet."""
    change = CartChange(event.at, CART_CHANGE, event.version, event.id, event.op, priced(event, site.policy))
    return active(after(lines, change))


def _hold(lines: Lines, event: CartRow) -> bool:
    """Whether anything that is taken out is in the cart."""
    inside = {line.sku for line in lines}
    return any(line.sku in inside for line in event.lines)


def _name(event: str) -> str:
    """Names a prediction: forty bits of the hash of the event that it is of."""
    return digest(event).hex()
