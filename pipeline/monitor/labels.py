"""Sites as label values: bounded, since what comes in is not ours to bound otherwise."""

MAX_SITES = 100
"""Sites of a process that have a label of their own: the first that it sees."""

OTHER_SITES = "other"


class SiteLabels:
    """Gives each site its label, OTHER_SITES to those beyond MAX_SITES, none where there is no site."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, site: str) -> str:
        """The label of a site."""
        if site and site not in self._known:
            if len(self._known) >= MAX_SITES:
                return OTHER_SITES
            self._known.add(site)
        return site
