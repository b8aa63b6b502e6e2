"""`pipeline why`: one customer's story, and why they got what they got."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.main import example, pass_settings
from pipeline.cli.output import print_table
from pipeline.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.explain.story import Entry, Story


@click.command(
    short_help="Tell one customer's story, and why they got what they got.",
    epilog=example("pipeline why my-shop c-1001", "pipeline why my-shop 5b1c9e --anonymous --json"),
)
@click.argument("site")
@click.argument("person")
@click.option("--anonymous", is_flag=True, help="PERSON is the id of an anonymous visitor, not of a customer.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document; times are epoch milliseconds.")
@pass_settings
def why(settings: Settings, site: str, person: str, anonymous: bool, as_json: bool) -> None:
    """Tell the story of one customer of SITE in the order of time, every decision with its reason, and how they stand.

    PERSON is the customer's id as the shop publishes it. Times are UTC. What retention has taken from the log is not
    told. This shows personal data: it is for those who may see it.
    """
    import msgspec

    from pipeline.explain.story import tell
    from pipeline.log.persons import anonymous_key, customer_key

    key = anonymous_key(site, person) if anonymous else customer_key(site, person)
    story = asyncio.run(tell(settings, key))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(story), indent=2))
    else:
        print_story(story, story.entries)


def print_story(story: "Story", entries: "Sequence[Entry]") -> None:
    """Print these entries of a story, and how the person stands now."""
    from pipeline.explain.story import EVENT
    from pipeline.explain.words import moment

    print_table(
        ("when (UTC)", "", "what"),
        ((moment(e.at), "" if e.what == EVENT else e.what, e.text) for e in entries),
    )
    clock = moment(story.clock) if story.clock else "has not started"
    click.echo(f"\nNow (partition {story.partition}, the log's clock: {clock}):")
    if story.now is None:
        click.echo("  nothing is kept of this person.")
        return
    for line in _present(story.now):
        click.echo(f"  {line}")


def _present(now: dict[str, Any]) -> list[str]:
    from pipeline.explain.words import moment

    lines = []
    clocks = {"seen": "last seen", "cart_added": "last put in the cart", "ordered": "last order"}
    for name, label in {**clocks, "next_timer": "looked at again"}.items():
        if now[name]:
            lines.append(f"{label}: {moment(now[name])}")
    if now["channels"]:
        lines.append("last on " + ", ".join(f"{name}: {moment(at)}" for name, at in now["channels"].items()))
    if now["stage"]:
        drawn = "".join(f", {name} {value}" for name, value in now["drawn_to"].items())
        lines.append(f"stage: {now['stage']}{f'; drawn to{drawn[1:]}' if drawn else ''}")
    lines += _bought(now["orders"]) + _in_the_cart(now) + _open_triggers(now)
    lines += [f"{purpose}: {', '.join(where) or 'not allowed'}" for purpose, where in now["permissions"].items()]
    return lines


def _bought(orders: dict[str, Any] | None) -> list[str]:
    if orders is None:
        return []
    return [
        f"orders: {orders['count']:,} for {orders['money']}, of these {orders['count_90_days']:,} for "
        f"{orders['money_90_days']} in the last 90 days"
    ]


def _in_the_cart(now: dict[str, Any]) -> list[str]:
    from pipeline.explain.words import money

    cart = [
        f"{line['quantity']} x {line['sku']}"
        + (f" ({money(line['price'], line['currency'])})" if line["price"] is not None else "")
        for line in now["cart"]
    ]
    return [f"cart: {', '.join(cart) or 'empty'}" + (f", worth {now['worth']}" if now["worth"] else "")]


def _open_triggers(now: dict[str, Any]) -> list[str]:
    from pipeline.explain.reasons import TIMINGS, reason_in_words, shown_in_words
    from pipeline.explain.words import moment
    from pipeline.triggers.contract import Action, Kind, Reason, Timing

    lines = []
    if now["reminder"]:
        decided = now["reminder"]["steps_decided"]
        held = ", held while the shop's orders are silent" if now["reminder"]["held"] else ""
        lines.append(
            f"cart reminder: open since {moment(now['reminder']['opened'])}, "
            f"{f'step {decided} decided' if decided else 'no step decided yet'}{held}"
        )
        lines += [
            f"  step {e['step']} on {e['channel']}{', sent' if e['sent'] else ''}, expires {moment(e['expires'])}"
            for e in now["reminder"]["emitted"]
        ]
    if (back := now["win_back"]) is not None:
        lines.append(
            f"win-back: open on {back['channel']}{', sent' if back['sent'] else ''}, until {moment(back['expires'])}"
        )
    if (due := now["next_win_back"]) is not None:
        because = reason_in_words(Kind.WIN_BACK, Reason(due["variant"]))
        lines.append(
            f"a win-back is considered next at {moment(due['at'])} ({because}), {TIMINGS[Timing(due['timing'])]}"
        )
    if (shown := now["shown"]) is not None:
        what = shown_in_words(Action(shown["action"]), shown["category"], shown["brand"])
        lines.append(f"the site was told at {moment(shown['at'])}: {what}")
    return lines
