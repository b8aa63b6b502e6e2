"""What a message to the owner of a left cart does, in truth: the value of sending it after a given silence.

Seen from the last touch, all in shares of the cart's value:

    V(s) = L * rescue * 2^(-s / half_life) * (margin - voucher)  -  (E - O(s)) * voucher

`O(s)` is the true chance that the cart is ordered untouched by then: such a message is never sent. `E - O(s)` is
the chance that it would have been ordered later without the message: that gains nothing, and the voucher is given
away. `L = 1 - E` is the chance of a lost cart; a message rescues some of these, the fewer the later it comes.

The figures were set before any rule was measured, by what is known of such messages:

- `margin` .30 and `voucher` .10 are usual in retail, and each shop knows its own;
- `rescue` .03: vendors report that 3 to 5 % of the messages to cart owners are followed by an order, the untouched
  ones included;
- `half_life` 24 h: vendors report that response about halves within the first day;
- sent within the first hour, messages did harm, and after one day and more they did good, in field experiments with
  a randomised control: Li, Luo, Lu and Moriguchi, Journal of Marketing 85 (2021). The mean of V over the carts of
  this shop that are not emptied has these signs, and a test holds it there.
"""

from typing import NamedTuple

from pipeline.config.durations import HOUR
from pipeline.simulator.truth import CartTruth


class Effect(NamedTuple):
    """The figures of the formula above; `half_life` in milliseconds, the others are shares."""

    margin: float = 0.30
    voucher: float = 0.10
    rescue: float = 0.03
    half_life: int = 24 * HOUR

    def rescued(self, silence_ms: float) -> float:
        """Chance that a lost cart is ordered because of a message after this silence."""
        return self.rescue * float(2.0 ** (-silence_ms / self.half_life))


def value(cart: CartTruth, silence_ms: float, effect: Effect) -> float:
    """Expected gain, minor units, of planning a message for this silence of the cart: V(s) times the cart's value.

    Nothing where the cart is already empty: no message is sent then.
    """
    if cart.emptied:
        return 0.0
    lost = 1 - cart.ordered_ever
    wasted = cart.ordered_ever - cart.ordered_by(silence_ms)
    gained = lost * effect.rescued(silence_ms) * (effect.margin - effect.voucher)
    return cart.value * (gained - wasted * effect.voucher)
