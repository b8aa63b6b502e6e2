"""Suggestions, taken out of what stands in the topics before it is compared: they come of tables beside the log.

The fold here has no such tables. Of the suggestions themselves this is judged here: that they stand where they may,
written as the engine writes them, and that a trigger tells the same as its decision. Whether each item might be
suggested then is asked elsewhere (`pipeline.verify.allowed`); why this one and not another is not judged.
"""

from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from pipeline.config.namespace import DECISIONS, trigger_topic
from pipeline.triggers.contract import Decision, Kind, Outcome, Suggestion, Trigger, encode
from pipeline.verify.align import Record
from pipeline.verify.report import Finding, Report

PART = "suggestions"

_SHOWN = trigger_topic(Kind.PERSONALIZATION.value)
_EMITTED = f"{Kind.PERSONALIZATION.value}.{Outcome.EMITTED.value}.v1"
_FIELD = b'"suggestions":'

_decision = msgspec.json.Decoder(Decision).decode
_trigger = msgspec.json.Decoder(Trigger).decode


class _Told(NamedTuple):
    """What one of the two records told, and where it stands; `beyond`: of a frame that is not folded here."""

    topic: str
    suggestions: tuple[Suggestion, ...]
    offset: int
    beyond: bool = False


class Suggestions:
    """Those of one partition, of which the log is folded up to `target`.

    `whole` is False where retention has cut a topic: then one of the two records may be gone.
    """

    def __init__(self, report: Report, target: int, *, whole: bool) -> None:
        self._report = report
        self._target = target
        self._whole = whole
        self._waiting: dict[str, _Told] = {}

    def taken_out(self, topic: str, record: Record) -> Record:
        """The record without its suggestions; as it is where it has none, or none that the engine may have written."""
        if _FIELD not in record.value:
            return record
        try:
            if topic == DECISIONS:
                return self._of_decision(record, _decision(record.value))
            if topic == _SHOWN:
                return self._of_trigger(record, _trigger(record.value))
        except msgspec.MsgspecError:
            pass
        return record

    def finish(self) -> None:
        """All was read: what one record tells and the other does not."""
        for identity, told in self._waiting.items():
            if told.beyond:  # its trigger may not have been committed when we began
                continue
            if self._whole:
                other = "trigger" if told.topic == DECISIONS else "decision"
                self._differ(identity, told, f"its {other} has none")
            else:
                self._report.part(PART).not_judged += 1

    def _of_decision(self, record: Record, found: Decision) -> Record:
        bare = replace(found, suggestions=())
        emitted = (found.kind, found.outcome) == (Kind.PERSONALIZATION, Outcome.EMITTED)
        if not emitted or not found.suggestions or encode(found) != record.value:
            return record
        beyond = found.log_offset >= self._target
        self._pair(found.decision_id, _Told(DECISIONS, found.suggestions, record.offset, beyond))
        return record._replace(value=encode(bare))

    def _of_trigger(self, record: Record, found: Trigger) -> Record:
        bare = replace(found, data=replace(found.data, suggestions=()))
        if found.type != _EMITTED or not found.data.suggestions or encode(found) != record.value:
            return record
        self._pair(found.id, _Told(_SHOWN, found.data.suggestions, record.offset))
        return record._replace(value=encode(bare))

    def _pair(self, identity: str, told: _Told) -> None:
        other = self._waiting.get(identity)
        if other is None:
            self._waiting[identity] = told
        elif other.topic != told.topic:  # else it is doubled, which is found where all of it is compared
            del self._waiting[identity]
            if other.suggestions == told.suggestions:
                self._report.part(PART).equal += 1
            else:
                self._differ(identity, told, "trigger and decision tell others")

    def _differ(self, identity: str, told: _Told, how: str) -> None:
        self._report.part(PART).differ(Finding.DIFFERENT, f"{identity} at offset {told.offset} of {told.topic}: {how}")
