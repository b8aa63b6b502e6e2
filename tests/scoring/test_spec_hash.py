"""The hash of a specification is of what changes a number: a better wording costs nothing that was learned."""

import pytest
from msgspec.structs import replace

from pipeline.heads.table import SPECS
from pipeline.scoring.features import Input, Prior, Ratio, Shrunk, Spec

INPUT = Input("silence", "{} minutes", 60_000.0, edges=(60_000,))
SHRUNK = Shrunk("interval", "every {} days", "silence", "orders", 2.0, "gap", share=False, edges=(1,))
RATIO = Ratio("lateness", "{} times the usual", "silence", "interval", edges=(0.5, 1.0))
PRIOR = Prior("gap", "", 60.0)
SPEC = Spec(
    "toy",
    1,
    (INPUT, Input("orders", "{} orders", edges=(1, 2))),
    (SHRUNK,),
    (RATIO,),
    (("orders", "lateness"),),
    (PRIOR,),
    least=100,
)


def with_input(**change: object) -> Spec:
    return replace(SPEC, inputs=(replace(INPUT, **change), *SPEC.inputs[1:]))


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_other_words_another_least_or_other_moving_inputs_leave_the_hash(spec: Spec) -> None:
    reworded = replace(
        spec,
        inputs=tuple(replace(one, words=f"in other words {one.words}", zero="none") for one in spec.inputs),
        shrunk=tuple(replace(one, words="") for one in spec.shrunk),
        ratios=tuple(replace(one, words="") for one in spec.ratios),
        least=spec.least + 1,
        moving=(*spec.moving, spec.inputs[-1].name),
    )
    assert reworded.hash == spec.hash


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, head="other"),
        replace(SPEC, version=2),
        with_input(name="quiet"),
        with_input(unit=1_000.0),
        with_input(edges=(60_001,)),
        with_input(scaled=False),
        replace(SPEC, inputs=SPEC.inputs[::-1]),
        replace(SPEC, shrunk=(replace(SHRUNK, strength=3.0),)),
        replace(SPEC, shrunk=(replace(SHRUNK, share=True),)),
        replace(SPEC, shrunk=(replace(SHRUNK, edges=(2,)),)),
        replace(SPEC, ratios=(replace(RATIO, edges=(0.5, 2.0)),)),
        replace(SPEC, crosses=()),
        replace(SPEC, priors=(replace(PRIOR, start=61.0),)),
        replace(SPEC, priors=(replace(PRIOR, weight=21.0),)),
    ],
)
def test_what_changes_a_number_changes_the_hash(other: Spec) -> None:
    assert other.hash != SPEC.hash


def test_no_two_heads_have_one_hash() -> None:
    assert len({spec.hash for spec in SPECS.values()}) == len(SPECS)
