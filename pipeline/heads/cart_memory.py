"""What the cart head keeps of a person."""

from msgspec import Struct

from pipeline.scoring.features import Inputs


class Prediction(Struct, frozen=True, array_like=True, gc=False):
    """The prediction of the bin that the silence is in. All fields as in `Labelled`."""

    id: str
    bin: int
    made_at: int
    inputs: Inputs
    weight: int | float = 1
    served: float | None = None
    version: int = 0


class Facts(Struct, frozen=True, array_like=True, gc=False):
    """What a shop knows of a cart as it was left by a touch; 0 for what it does not know.

    `value` is in minor units of the site's base currency, `lines` counts products. 1 for yes: it was touched on a phone
    or tablet (`mobile`), by somebody with an `account`.
    """

    value: int = 0
    lines: int = 0
    mobile: int = 0
    account: int = 0


NOTHING_KNOWN = Facts()


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """What is kept of one person. Times are epoch milliseconds, 0 for never.

    `seen` is the newest event. Of the cart, if there is one: when it was `opened` and last `touched`; `views` of
    products since then, and `looks`, those of what is in the cart. Of all the past: `visits`, `orders`, how often a
    cart was touched (`touches`), and how many carts were `bought`. `open` is the present prediction, and `step` the
    number of its bin, from 1, or 0; `waiting` are those whose outcome is there, in the order of their bins' ends, which
    have not been learned. Both are kept encoded (`open_of`, `waiting_of`): most events only pass them on. Of a cart
    that is left alone by chance: from which silence on (`left_from`, milliseconds), and the chance of that. `items` is
    a sketch of what was put in, one bit of a hash each; `facts` are those of the last touch.
    """

    seen: int = 0
    opened: int = 0
    touched: int = 0
    views: int = 0
    looks: int = 0
    visits: int = 0
    orders: int = 0
    touches: int = 0
    bought: int = 0
    open: bytes | None = None
    waiting: bytes | None = None
    left_from: int = 0
    left_chance: int | float = 1
    items: int = 0
    facts: Facts = NOTHING_KNOWN
    step: int = 0
