"""Win-back: a customer who does not come again when he should, a visitor who never buys, and whoever falls silent."""

from typing import Final

from msgspec.structs import replace

from pipeline.config.durations import DAY
from pipeline.events.customer import Purpose
from pipeline.log.persons import site_of
from pipeline.log.rows import (
    CartOp,
    CartRow,
    Click,
    ConsentRow,
    IdentifyRow,
    MessageRow,
    OrderNews,
    OrderRow,
    PersonEvent,
    Report,
)
from pipeline.policy.permission import allowed, refuses
from pipeline.state.customer import NEVER, Customer
from pipeline.state.wake import wake_by
from pipeline.state.win_back import FIRST_DAYS, OpenWinBack, Variant, Waiting, WinBack
from pipeline.triggers.contract import Kind, Outcome, Reason, trigger_id
from pipeline.triggers.site_now import SiteNow
from pipeline.triggers.verdict import Verdict
from pipeline.triggers.win_back_due import Step, next_step, worded
from pipeline.triggers.win_back_gates import Judged, judge
from pipeline.triggers.win_back_memory import noted, visited

KIND: Final = Kind.WIN_BACK

STEP: Final = 1
"""A win-back has one step."""

_FILLING: Final = frozenset(map(int, (CartOp.ADD, CartOp.SNAPSHOT, CartOp.SET)))


def on_event(customer: Customer, person: str, event: PersonEvent, site: SiteNow) -> list[Verdict]:
    """Take a visit, an order or news of one, a word on messages, or the report of what became of one."""
    kind = type(event)
    if kind is Click:
        win_back = customer.win_back
        if win_back is None:
            if customer.seen // DAY == customer.born // DAY:
                return []
        elif win_back.visits and win_back.visits[-1] == event.at // DAY:
            return []
        _visit(customer, person, event.at, site)
    elif isinstance(event, CartRow):
        _cart(customer, person, event, site)
    elif isinstance(event, OrderRow):
        return _order(customer, person, event, site)
    elif isinstance(event, ConsentRow):
        if event.purpose == Purpose.MARKETING_MESSAGE:
            refused = refuses(event, site.permission)
            verdicts = _withdraw(customer, event.channel, event.at, site) if refused else []
            _word(customer, person, site)
            return verdicts
        if event.purpose == Purpose.PROFILE:
            _schedule(customer, person, site)  # what a model said of the time may have been forgotten
    elif isinstance(event, IdentifyRow):
        _visit(customer, person, event.at, site)
    elif isinstance(event, MessageRow):
        return _message(customer, person, event, site)
    return []


def wake(customer: Customer, _site: SiteNow) -> int:
    """When the clock must come back."""
    return NEVER if customer.win_back is None else customer.win_back.next


def settle(customer: Customer, person: str, site: SiteNow) -> list[Verdict]:
    """Judge, in the order of their times, what came due."""
    verdicts: list[Verdict] = []
    win_back = customer.win_back
    if win_back is None or not win_back.next or win_back.next > site.clock:
        return verdicts
    while (step := next_step(customer, person, site.policy)) is not None and step.at <= site.clock:
        judged = judge(customer, win_back, step, site)
        if judged.verdict.outcome is Outcome.HELD and win_back.waiting is not None and win_back.waiting.held:
            return verdicts  # still held: whether it was looked at meanwhile, as after a restart, must change nothing
        if judged.verdict.outcome in (Outcome.HELD, Outcome.DEFERRED):
            customer.win_back = win_back = _wait(win_back, step, judged, site, verdicts)
            if judged.verdict.outcome is Outcome.HELD:
                break
        else:
            customer.win_back = win_back = _decided(win_back, step, judged)
            verdicts.append(judged.verdict)
    _schedule(customer, person, site)
    if customer.orders is not None and customer.orders.news:
        news = tuple(news for news in customer.orders.news if news.at > site.clock)
        customer.orders = replace(customer.orders, news=news)
    return verdicts


def lapse(customer: Customer, site: SiteNow) -> int:
    """When what is held expires."""
    win_back = customer.win_back
    if win_back is None or win_back.waiting is None or win_back.next > site.clock:
        return NEVER
    return win_back.waiting.due + site.policy.win_back.expires_after


def _begun(customer: Customer, site: SiteNow) -> WinBack:
    """What is known of a person of whom nothing has been remembered here: all activity so far was on one day."""
    if customer.win_back is not None:
        return customer.win_back
    days = sorted({time // DAY for time in (customer.born, customer.seen) if time})
    visits: tuple[int, ...] = ()
    for day in days:
        visits = visited(visits, day, site.clock // DAY)
    return WinBack(visits=visits, first_days=tuple(days), carted=customer.cart_added)


def _visit(customer: Customer, person: str, at: int, site: SiteNow) -> None:
    """Enter a day of activity. After all others, and not one of the first, it can only put off what is scheduled."""
    win_back, day = _begun(customer, site), at // DAY
    days = win_back.first_days
    if day not in days and (len(days) < FIRST_DAYS or day < days[-1]):
        days = tuple(sorted({*days, day})[:FIRST_DAYS])
    visits = visited(win_back.visits, day, site.clock // DAY)
    changed = visits is not win_back.visits or days is not win_back.first_days
    customer.win_back = replace(win_back, visits=visits, first_days=days) if changed else win_back
    if not win_back.next or days != win_back.first_days or day < win_back.visits[-1]:
        _schedule(customer, person, site)


def _cart(customer: Customer, person: str, event: CartRow, site: SiteNow) -> None:
    win_back = customer.win_back
    adds = event.op in _FILLING and any(line.quantity > 0 for line in event.lines)
    if win_back is None or (adds and not 0 < win_back.carted <= event.at):
        known = 0 if win_back is None else win_back.carted
        win_back = _begun(customer, site)
        carted = min(known or event.at, event.at) if adds else known
        customer.win_back = replace(win_back, carted=carted)
    elif win_back.visits and win_back.visits[-1] == event.at // DAY:
        return
    _visit(customer, person, event.at, site)


def _order(customer: Customer, person: str, event: OrderRow, site: SiteNow) -> list[Verdict]:
    """An order answers what is open, or waits; news of one may be what a candidate waits for."""
    verdicts: list[Verdict] = []
    win_back = _begun(customer, site)
    if event.news == OrderNews.PURCHASE:
        win_back = _answered(win_back, event.at, Reason.ORDERED, site, verdicts)
        if (waiting := win_back.waiting) is not None and event.at <= waiting.due:
            win_back = _overtaken(win_back, waiting, site, verdicts)
        win_back = replace(win_back, visits=visited(win_back.visits, event.at // DAY, site.clock // DAY))
    elif event.news == OrderNews.CANCELLED:
        win_back = replace(win_back, cancelled=noted(win_back.cancelled, event.at, site.clock))
    if (waiting := win_back.waiting) is not None:
        until = min(waiting.until, max(event.at, site.clock))
        win_back = replace(win_back, waiting=replace(waiting, until=until))
    customer.win_back = win_back
    _schedule(customer, person, site)
    return verdicts


def _word(customer: Customer, person: str, site: SiteNow) -> None:
    """A word on messages makes a candidate of a visitor."""
    customer.win_back = _begun(customer, site)
    _schedule(customer, person, site)


def _withdraw(customer: Customer, channel: str, at: int, site: SiteNow) -> list[Verdict]:
    """A refusal of a channel, "" for any, cancels what is open on it.

    One from before it was decided, read late, cancels it only where it still ruled then.
    """
    verdicts: list[Verdict] = []
    win_back, rules = customer.win_back, site.permission
    if win_back is None or win_back.busy <= at or channel not in ("", win_back.channel):
        return verdicts
    if not allowed(customer.grants, Purpose.MARKETING_MESSAGE, win_back.channel, rules, max(at, win_back.decided)):
        customer.win_back = _answered(win_back, at, Reason.WITHDRAWN, site, verdicts)
    return verdicts


def _message(customer: Customer, person: str, event: MessageRow, site: SiteNow) -> list[Verdict]:
    if event.report in (Report.UNSUBSCRIBED, Report.COMPLAINED):
        verdicts = _withdraw(customer, event.channel, event.at, site)
        _word(customer, person, site)
        return verdicts
    if event.report == Report.CLICKED:
        win_back = _begun(customer, site)
        times = noted(win_back.heard.get(event.channel, ()), event.at, site.clock)
        customer.win_back = replace(win_back, heard={**win_back.heard, event.channel: times})
    elif event.report == Report.SENT:
        _mark_sent(customer, person, event.trigger_id)
    return []


def _mark_sent(customer: Customer, person: str, identity: str) -> None:
    """Note that the message of what is open has gone out."""
    win_back = customer.win_back
    if win_back is None or win_back.open is None:
        return
    if trigger_id(site_of(person), KIND, win_back.open.episode, STEP) == identity:
        customer.win_back = replace(win_back, open=replace(win_back.open, sent=True))


def _answered(win_back: WinBack, at: int, reason: Reason, site: SiteNow, verdicts: list[Verdict]) -> WinBack:
    """End what is open with an order or a withdrawal at `at`, and say so where it went out and has not expired."""
    if at >= win_back.busy:
        return win_back
    sent = win_back.open
    if sent is not None and site.clock < sent.expires:
        verdicts.append(
            Verdict(
                KIND,
                Outcome.CANCELLED,
                reason,
                sent.episode,
                STEP,
                at,
                sent.due,
                sent.expires,
                sent.channel,
                after_send=sent.sent,
                variant=Variant(sent.variant).name.lower(),
            )
        )
    return replace(win_back, open=None, busy=at)


def _overtaken(win_back: WinBack, waiting: Waiting, site: SiteNow, verdicts: list[Verdict]) -> WinBack:
    """Close a candidate that waits: an order from before it was due has come to be known."""
    step = Step(
        Variant(waiting.variant),
        waiting.episode,
        waiting.due,
        max(site.clock, waiting.due),
        waiting.anchor,
        waiting.idle,
    )
    expires = step.due + site.policy.win_back.expires_after
    verdict = Verdict(
        KIND,
        Outcome.SUPPRESSED,
        Reason.ORDERED,
        step.episode,
        STEP,
        step.at,
        step.due,
        expires,
        variant=step.variant.name.lower(),
    )
    verdicts.append(verdict)
    return _decided(win_back, step, Judged(verdict))


def _wait(win_back: WinBack, step: Step, judged: Judged, site: SiteNow, verdicts: list[Verdict]) -> WinBack:
    """Keep a candidate for later; that it waits is said once. For room in a minute it waits for the clock to go on."""
    held = judged.verdict.outcome is Outcome.HELD
    before = win_back.waiting
    was_held, was_deferred = (before.held, before.deferred) if before is not None else (False, False)
    if not (was_held if held else was_deferred):
        verdicts.append(judged.verdict)
    waiting = Waiting(
        step.episode,
        step.variant,
        step.due,
        max(judged.until, site.clock + 1) if judged.verdict.reason is Reason.RATE else judged.until,
        step.anchor,
        step.idle,
        was_held or held,
        was_deferred or not held,
    )
    return replace(win_back, settled=max(win_back.settled, step.at), waiting=waiting)


def _decided(win_back: WinBack, step: Step, judged: Judged) -> WinBack:
    """Note that a step was decided, so that it is not again; and what may have to be cancelled."""
    verdict = judged.verdict
    win_back = replace(win_back, settled=max(win_back.settled, step.at), decided=step.at, waiting=None)
    if step.variant is Variant.NEVER_CARTED:
        win_back = replace(win_back, never_carted=True)
    elif step.variant is Variant.DORMANT:
        win_back = replace(win_back, slept=max(win_back.slept, step.anchor, step.idle * DAY))
    else:
        win_back = replace(win_back, answered=max(win_back.answered, step.anchor))
    if not judged.until:
        return win_back
    sent = None
    if verdict.outcome is Outcome.EMITTED:
        sent = OpenWinBack(step.episode, step.variant, step.due, verdict.expires, verdict.channel)
    offered = {**win_back.offered, verdict.channel: step.at}
    return replace(win_back, open=sent, busy=judged.until, channel=verdict.channel, offered=offered)


def _schedule(customer: Customer, person: str, site: SiteNow) -> None:
    """Have the clock come back for the next step. All that it has passed is decided, but for what waits."""
    win_back = customer.win_back
    if win_back is None:
        return
    due = 0
    if customer.orders is not None or worded(customer.grants):
        customer.win_back = win_back = replace(win_back, settled=max(win_back.settled, site.clock))
        step = next_step(customer, person, site.policy)
        due = 0 if step is None else step.at
    if due != win_back.next:
        customer.win_back = replace(win_back, next=due)
    wake_by(customer, due)
