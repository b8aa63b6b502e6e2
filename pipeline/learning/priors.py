"""What a head learns of each shop as a whole: the numbers that a person's own are shrunk to."""

from pipeline.scoring.example import Example
from pipeline.scoring.features import Shop, Spec
from pipeline.scoring.snapshot import ANY_SITE

MAX_SITES = 100

Sums = dict[str, list[tuple[float, float]]]
"""By site, for each prior: the sum, and the weight of the examples in it."""


class Priors:
    """Running means by site, each shrunk to that of all sites, and that to where it started."""

    def __init__(self, spec: Spec, sums: Sums | None = None) -> None:
        self._spec = spec
        self._sums: Sums = sums if sums is not None else {ANY_SITE: [(0.0, 0.0)] * len(spec.priors)}
        self._known: dict[str, Shop] = {}

    def learn(self, example: Example) -> None:
        """Take an example into the numbers of its site."""
        sums = self._sums
        if example.site not in sums and len(sums) <= MAX_SITES:
            sums[example.site] = [(0.0, 0.0)] * len(self._spec.priors)
        places = self._spec.places
        for number, prior in enumerate(self._spec.priors):
            value = example.inputs[places[prior.of]] if prior.of else float(example.label)
            count = example.inputs[places[prior.per]] if prior.per else 1.0
            if count <= 0 or (prior.of and not prior.per and value <= 0):
                continue
            for site in {ANY_SITE: None, example.site: None}:
                if site in sums:
                    total, weight = sums[site][number]
                    sums[site][number] = total + value * example.weight, weight + count * example.weight
        self._known.clear()

    def of(self, site: str) -> Shop:
        """The numbers of a site."""
        found = self._known.get(site)
        if found is None:
            found = self._known[site] = self._worked_out(site)
        return found

    def shops(self) -> dict[str, Shop]:
        """The numbers of every site, and those for a site that is new."""
        return {site: self._worked_out(site) for site in self._sums}

    def state(self) -> Sums:
        """What `Priors` takes to go on from here."""
        return {site: list(sums) for site, sums in self._sums.items()}

    def _worked_out(self, site: str) -> Shop:
        shop: Shop = {}
        for number, prior in enumerate(self._spec.priors):
            total, weight = self._sums[ANY_SITE][number]
            value = (prior.start * prior.weight + total) / (prior.weight + weight)
            if site != ANY_SITE and site in self._sums:
                total, weight = self._sums[site][number]
                value = (value * prior.weight + total) / (prior.weight + weight)
            shop[prior.name] = value
        return shop
