"""A file read through before anything of it is published: what is in it, and whether it can be imported as it is."""

from collections import Counter
from collections.abc import Callable

from msgspec import Struct, field

from pipeline.config.durations import DAY
from pipeline.config.errors import UserError
from pipeline.config.policy import SitePolicy
from pipeline.events.order import OrderCancelled, Purchase
from pipeline.history.files import OrderFile, identity
from pipeline.history.tally import Tally

REPORT_EVERY = 1_000

DISORDER = DAY
"""How far a customer's orders may go back in time: files are sorted by day, and clocks on walls are put back."""


class Survey(Struct):
    """What a file holds. `news` counts by kind, `first_ms` and `last_ms` are the times of its first and last news."""

    tally: Tally = field(default_factory=Tally)
    news: Counter[str] = field(default_factory=Counter)
    customers: int = 0
    first_ms: int = 0
    last_ms: int = 0


def survey(file: OrderFile, policy: SitePolicy, progress: Callable[[int], None] = lambda _: None) -> Survey:
    """Read a file through. `progress` is told the number of lines.

    Raises UserError where nothing of it can be used, where an amount has no rate in the site's policy, or where a
    customer's orders are not in the order of time: the profile keeps the last ones, and takes none from before them.
    """
    found = Survey()
    latest: dict[int, int] = {}
    for told in file.read(found.tally):
        news = told.news
        at = int(news.occurred_at)  # type: ignore[arg-type]  # readers give milliseconds
        if not isinstance(news, OrderCancelled):
            _refuse_currency(news.currency, policy, file.site)
        customer = identity(news.customer_id or "")
        if isinstance(news, Purchase):
            if at < latest.get(customer, 0) - DISORDER:
                raise UserError(
                    f"line {told.lines[0]}: order {news.order_id} is over a day older than one before it of the same "
                    "customer: sort the file by time, the lines of an order next to each other, and import it again"
                )
            latest[customer] = max(at, latest.get(customer, 0))
        latest.setdefault(customer, 0)
        found.news[_name(news)] += 1
        found.first_ms = min(at, found.first_ms or at)
        found.last_ms = max(at, found.last_ms)
        if found.news.total() % REPORT_EVERY == 0:
            progress(found.tally.lines)
    found.customers = len(latest)
    if not found.news:
        why = max(found.tally.unused.items(), key=lambda entry: entry[1].lines, default=None)
        reason = f": line {why[1].first[0]}: {why[0]}" if why else ""
        raise UserError(f"{file.path} has no order that can be used{reason}")
    return found


def _refuse_currency(currency: str, policy: SitePolicy, site: str) -> None:
    if currency != policy.currency and currency not in policy.rates:
        raise UserError(
            f"orders are in {currency}, the policy of site {site} counts in {policy.currency}: write "
            f'currency = "{currency}" or rates = {{{currency} = …}} under [site.{site}], and publish it with '
            "`pipeline policy publish`"
        )


def _name(news: object) -> str:
    return {"Purchase": "orders", "OrderCancelled": "cancellations", "OrderRefunded": "refunds"}[type(news).__name__]
