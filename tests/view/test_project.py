"""What readers see is the customer as it is stored, in their words, and nothing that is the pipeline's own business."""

import json
from datetime import UTC, datetime

from msgspec import msgpack
from msgspec.structs import replace

from pipeline.heads import cart, intent, reorder
from pipeline.heads.table import SPECS
from pipeline.log.consent import pack
from pipeline.log.rows import CartOp
from pipeline.schemas.profile import PROFILE
from pipeline.scoring.scorer import Scorer
from pipeline.state.cart import CART_CHANGE, PURCHASE, PURCHASE_CLOSE, Cart, CartChange, CartLine
from pipeline.state.customer import Customer, Grant, Recent
from pipeline.state.heads import Heads, OfOrders, encode_orders
from pipeline.state.orders import Order, Orders, OrderState
from pipeline.state.shown import Shown, Standing, Told
from pipeline.state.tastes import Tastes
from pipeline.state.win_back import OpenWinBack, Variant, WinBack
from pipeline.view.profile import decode_profile, encode_profile
from pipeline.view.project import project
from pipeline.view.scores import Model
from tests.engine.learned import constant

VERSION = PROFILE.version
KEY = "my-shop|c|c-1042"


def at(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 3, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


STANDING = Standing(4, "shoes", "Alpina", True, (), ("sku-boots-42", "sku-socks"))
TOLD = Shown(told=Told(at(2, 18, 12), 30 * 60_000, "e-9", "recommend", STANDING))


FACTS = reorder.Facts(1, value=2_980, items=1, spent=2_980, bought=1)
ORDERED = reorder.Memory(at(2, 0), FACTS, (reorder.Prediction("o", at(1, 10), at(2, 0), FACTS),))
VISIT = intent.Memory(last=at(2, 18, 12), session=intent.Session(lasted=720_000, steps=4, carts=1))
WAITS = cart.Prediction("e-add-1", 2, at(2, 18, 9), ())
TOUCHED = cart.Memory(seen=at(2, 18, 12), opened=at(2, 18, 6), touched=at(2, 18, 6), open=msgpack.encode(WAITS), step=3)
HEADS = Heads(VISIT, TOUCHED, encode_orders(OfOrders(ORDERED)))


def models(**logits: float) -> dict[str, Model]:
    """Snapshots that say the same of everybody."""
    return {head: Model(Scorer(SPECS[head], constant(head, logit, version=7))) for head, logit in logits.items()}


MODELS = models(intent=-2.5, cart=-3.5, reorder=-2.2, count=-1.2)


def line(sku: str, quantity: int = 1, *, dormant: bool = False, price: int = 500) -> CartLine:
    return CartLine(sku, quantity, price, "EUR" if price >= 0 else "", max(price, 0), "c", "b", 1, dormant)


def change(op: int, *lines: CartLine, rank: int = CART_CHANGE) -> CartChange:
    return CartChange(at(2, 18), rank, 0, "e", op, lines)


def test_the_example_of_the_schema_is_what_is_written() -> None:
    boots = CartLine("sku-boots-42", 1, 11_990, "EUR", 11_990, "shoes", "Alpina", at(2, 18, 6))
    day = datetime(2026, 3, 1, tzinfo=UTC).toordinal()
    order = Order("o-2026-290", at(1, 10), day, 1, 3_980, "socks", OrderState.OFFLINE, 1_000, b"marks")
    customer = Customer(
        next_due=at(2, 22),
        seen=at(2, 18, 12),
        cart_added=at(2, 18, 6),
        ordered=at(1, 10),
        ordered_offline=at(1, 10),
        device="mobile",
        locale="de-DE",
        page_consent=pack(("granted", None, "denied")),
        channel="web",
        channels={"store": at(1, 10)},
        clicks=Recent(b"ring-of-ids", at(2, 18)),
        orders=Orders(day=day, recent=(order,), days=(day, 1, 2_980), count=1, money=2_980, marks=b"marks"),
        grants={"marketing_message:email": (Grant(True, "consent", at(1, 9)),)},
        cart=Cart(at(2, 18), None, (boots,)),
        born=at(1, 9),
        interested=at(2, 18, 12),
        stage=4,
        tastes=Tastes(
            at(1, 9), {"socks": 100, "shoes": 300}, {"Alpina": 64}, {"14": 9}, {}, {"sku-socks": 1, "sku-boots-42": 2}
        ),
        wishes=("sku-tent",),
        win_back=WinBack(open=OpenWinBack("o-2026-290", Variant.SECOND_ORDER, at(2, 10), at(9, 10), "email")),
        shown=TOLD,
        heads=HEADS,
    )
    written = encode_profile(project(KEY, customer, VERSION, MODELS))
    assert written.decode() == encode_profile(PROFILE).decode()
    assert written.startswith(b'{"version":"' + VERSION.encode())
    assert decode_profile(written) == PROFILE


def test_of_a_new_visitor_only_what_is_known_is_said() -> None:
    found = json.loads(encode_profile(project("my-shop|a|v%7C1", Customer(seen=at(1, 9)), VERSION, {})))
    assert found == {
        "version": VERSION,
        "format": 1,
        "site_id": "my-shop",
        "anonymous_id": "v|1",
        "last_seen_at": "2026-03-01T09:00:00Z",
    }


def test_a_cart_holds_what_the_clock_has_not_passed_too() -> None:
    cart = Cart(1, None, (line("a"),), None, (change(CartOp.ADD, line("b", 2)), change(CartOp.REMOVE, line("a"))))
    found = project(KEY, Customer(cart=cart), VERSION, {}).cart
    assert [(item.item_id, item.quantity) for item in found.items] == [("b", 2)]
    assert found.value == 1_000


def test_an_ordered_cart_is_gone_at_once() -> None:
    cart = Cart(1, None, (line("a"),), None, (change(PURCHASE_CLOSE, rank=PURCHASE),))
    assert project(KEY, Customer(cart=cart), VERSION, {}).cart is None


def test_what_an_order_left_over_is_shown_but_worth_nothing() -> None:
    found = project(KEY, Customer(cart=Cart(1, None, (line("a", dormant=True), line("b", price=-1)))), VERSION, {}).cart
    assert [(item.item_id, item.left_over, item.price) for item in found.items] == [
        ("a", True, 500),
        ("b", False, None),
    ]
    assert found.value == 0


def test_words_about_permissions_stand_as_they_were_said() -> None:
    words = (Grant(True, "consent", at(1, 9)), Grant(False, "consent", at(2, 9)))
    found = project(
        KEY, Customer(grants={"profile": words[:1], "marketing_message:sms": words}), VERSION, {}
    ).permissions
    assert [(w.purpose, w.channel, w.granted) for w in found] == [
        ("profile", "", True),
        ("marketing_message", "sms", True),
        ("marketing_message", "sms", False),
    ]


def test_states_of_an_order_are_said_one_by_one() -> None:
    states = (OrderState.RENEWAL, OrderState.CANCELLED, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.RETURNING)
    recent = tuple(Order(f"o{n}", at(1, n), 739_000, 1, 5, state=state) for n, state in enumerate(states))
    found = json.loads(encode_profile(project(KEY, Customer(orders=Orders(739_000, recent)), VERSION, {})))
    said = [sorted(order.keys() - {"order_id", "at", "value"}) for order in found["orders"]["recent"]]
    assert said == [["return_open"], ["delivered"], ["shipped"], ["cancelled"], ["renewal"]]


def test_a_personalization_that_was_taken_back_or_may_not_be_shown_is_left_out() -> None:
    assert TOLD.told is not None
    taken_back = replace(TOLD, told=replace(TOLD.told, lasts=0))
    for shown in (taken_back, replace(TOLD, refused=1), Shown()):
        assert project(KEY, Customer(shown=shown), VERSION, {}).personalization is None
    assert project(KEY, Customer(shown=TOLD), VERSION, {}).personalization == PROFILE.personalization


def test_the_average_order_is_of_one_off_orders_net_of_refunds() -> None:
    recent = (
        Order("a", at(1, 9), 739_000, 0, 3_000, refunded=1_000),
        Order("b", at(2, 9), 739_001, 0, 4_000),
        Order("renewal", at(2, 9), 739_001, 0, 900, state=OrderState.RENEWAL),
        Order("cancelled", at(2, 9), 739_001, 0, 99_000, state=OrderState.CANCELLED),
    )
    orders = project(KEY, Customer(orders=Orders(739_001, recent)), VERSION, {}).orders
    assert orders is not None
    assert orders.average_order_value == 3_000
