"""What a win-back remembers of time: days of visits, and moments of which the newest counts.

Of what the clock has passed only the newest is kept, of what is still to come all: so a look at any time from the clock
on sees what had happened by then, however far reading runs ahead.
"""

from pipeline.state.win_back import MAX_NOTED, MAX_RUNS


def visited(runs: tuple[int, ...], day: int, today: int) -> tuple[int, ...]:
    """Enter a day into runs of days; `today` is that of the clock."""
    if not runs:
        return day, day
    if len(runs) == 2 and runs[0] <= day <= runs[1]:
        return runs
    pairs = [(runs[i], runs[i + 1]) for i in range(0, len(runs), 2)]
    pairs.append((day, day))
    pairs.sort()
    joined = [pairs[0]]
    for first, last in pairs[1:]:
        if first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    passed = [i for i, (first, _) in enumerate(joined) if first < today]
    joined = joined[passed[-1] :] if passed else joined
    while len(joined) > MAX_RUNS:
        joined[0:2] = [(joined[0][0], joined[1][1])]
    return tuple(day for pair in joined for day in pair)


def last_visit(runs: tuple[int, ...], day: int) -> int:
    """The last day of a visit before `day`, 0 for none."""
    return max((min(runs[i + 1], day - 1) for i in range(0, len(runs), 2) if runs[i] < day), default=0)


def noted(times: tuple[int, ...], at: int, clock: int) -> tuple[int, ...]:
    """Enter a moment."""
    every = sorted({*times, at})
    passed = max((time for time in every if time <= clock), default=0)
    return tuple(time for time in every if time >= passed)[-MAX_NOTED:]
