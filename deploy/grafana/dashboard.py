"""The page that an SRE keeps open, as Grafana's JSON: `make dashboard` writes it, a test compares it.

Every query works on series that our processes have from their start, so that an empty panel means a missing process.
"""

import json
from itertools import count
from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

FILE = Path(__file__).parent / "dashboards" / "pipeline.json"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
WIDTH, HEIGHT = 8, 7
"""Of a panel, in Grafana's grid of 24 columns."""


class Panel(NamedTuple):
    """A graph: queries, each with the legend of its series."""

    title: str
    meaning: str
    unit: str
    queries: tuple[tuple[str, str], ...]


ROWS: dict[str, tuple[Panel, ...]] = {
    "Events": (
        Panel(
            "Events in",
            "Decoded by ingest, before validation.",
            "cps",
            (("sum by (topic) (rate(pipeline_events_received_total[$__rate_interval]))", "{{topic}}"),),
        ),
        Panel(
            "Not used, by reason",
            "Every event that changed nothing: refused, late, twice, of bots, without consent.",
            "cps",
            (
                (
                    "sum by (topic, reason) (rate(pipeline_events_discarded_total[$__rate_interval]))",
                    "{{topic}} {{reason}}",
                ),
            ),
        ),
        Panel(
            "Silence of each feed",
            "Time since the newest event of a site in a topic.",
            "s",
            (
                (
                    "time() - max by (site, topic) (pipeline_site_last_event_timestamp_seconds)",
                    "{{site}} {{topic}}",
                ),
            ),
        ),
    ),
    "Time": (
        Panel(
            "Lag of the log's clock",
            "Wall clock less log clock. Timers fire as this clock passes them; nothing shown: it has not started.",
            "s",
            (("max by (partition) (pipeline_log_clock_lag_seconds)", "partition {{partition}}"),),
        ),
        Panel(
            "Which source holds the clock",
            "The five sources whose watermark is furthest behind.",
            "s",
            (
                (
                    "topk(5, min by (topic, partition) (pipeline_source_watermark_lag_seconds))",
                    "{{topic}}-{{partition}}",
                ),
            ),
        ),
        Panel(
            "Sites held",
            "1: the site's orders are silent, and its triggers wait for them.",
            "none",
            (("max by (site, reason) (pipeline_site_held)", "{{site}} {{reason}}"),),
        ),
    ),
    "Triggers": (
        Panel(
            "Emitted",
            "Messages that may go out now.",
            "cps",
            (
                (
                    'sum by (kind) (rate(pipeline_decisions_total{outcome="emitted"}[$__rate_interval]))',
                    "{{kind}}",
                ),
            ),
        ),
        Panel(
            "Decisions by outcome and reason",
            "Every candidate, emitted or not, and why.",
            "cps",
            (
                (
                    "sum by (kind, outcome, reason) (rate(pipeline_decisions_total[$__rate_interval]))",
                    "{{kind}} {{outcome}}: {{reason}}",
                ),
            ),
        ),
        Panel(
            "Cancelled after they were sent",
            "Orders after the message are its success; of those before the message the shop told us too late.",
            "cps",
            (
                (
                    "sum by (kind, reason)"
                    ' (rate(pipeline_triggers_cancelled_total{after_send="true"}[$__rate_interval]))',
                    "{{kind}} {{reason}}",
                ),
                (
                    "sum by (kind) (rate(pipeline_messages_after_order_total[$__rate_interval]))",
                    "{{kind}}, ordered before",
                ),
            ),
        ),
        Panel(
            "Event to trigger",
            "Broker time of an event to the commit of what it caused.",
            "s",
            (
                (
                    "histogram_quantile(0.5, sum by (kind, le)"
                    " (rate(pipeline_event_to_trigger_seconds_bucket[$__rate_interval])))",
                    "{{kind}} p50",
                ),
                (
                    "histogram_quantile(0.99, sum by (kind, le)"
                    " (rate(pipeline_event_to_trigger_seconds_bucket[$__rate_interval])))",
                    "{{kind}} p99",
                ),
            ),
        ),
        Panel(
            "Lateness of timers",
            "Due time to commit, of what went out. What was held, or due while the system was down, is late here.",
            "s",
            (
                (
                    "histogram_quantile(0.5, sum by (kind, le)"
                    " (rate(pipeline_timer_lateness_seconds_bucket[$__rate_interval])))",
                    "{{kind}} p50",
                ),
                (
                    "histogram_quantile(0.99, sum by (kind, le)"
                    " (rate(pipeline_timer_lateness_seconds_bucket[$__rate_interval])))",
                    "{{kind}} p99",
                ),
            ),
        ),
        Panel(
            "Messages, as senders report them",
            "Sent, delivered, clicked, complained of and so on.",
            "cps",
            (
                (
                    "sum by (channel, result) (rate(pipeline_messages_total[$__rate_interval]))",
                    "{{channel}} {{result}}",
                ),
            ),
        ),
    ),
    "Partitions": (
        Panel(
            "Frames behind the log's end",
            "What is not folded yet, as the worker knows it; the consumer group's offsets say nothing.",
            "none",
            (("sum by (partition) (pipeline_log_lag_records)", "partition {{partition}}"),),
        ),
        Panel(
            "Transactions",
            "Committed, aborted, and fenced by another worker that took the partition.",
            "cps",
            (("sum by (outcome) (rate(pipeline_transactions_total[$__rate_interval]))", "{{outcome}}"),),
        ),
        Panel(
            "Rows still to restore",
            "A partition does nothing until this is 0.",
            "none",
            (("sum by (partition) (pipeline_restore_remaining_rows)", "partition {{partition}}"),),
        ),
        Panel(
            "Size of the state",
            "The local copy of each partition, on disk and in memory buffers.",
            "bytes",
            (("sum by (partition) (pipeline_state_bytes)", "partition {{partition}}"),),
        ),
        Panel(
            "Rebalances in 10 minutes",
            "Assignments of partitions to processes.",
            "none",
            (("sum by (process) (increase(pipeline_rebalances_total[10m]))", "{{process}}"),),
        ),
        Panel(
            "Lag of the view",
            "How far profiles and triggers in Redis are behind the topics.",
            "s",
            (("max by (topic) (pipeline_view_lag_seconds)", "{{topic}}"),),
        ),
    ),
    "Models": (
        Panel(
            "Loss over that of the base rate",
            "Over the last examples, each predicted before it was learned. Above 1 a model is not scored with. "
            "Served: of what was said when the prediction was made.",
            "none",
            (
                ("max by (head) (pipeline_model_log_loss_ratio)", "{{head}}"),
                ("max by (head) (pipeline_model_served_log_loss_ratio)", "{{head}} served"),
            ),
        ),
        Panel(
            "AUC",
            "0.5 is a coin. Of the same examples.",
            "none",
            (
                ("max by (head) (pipeline_model_auc)", "{{head}}"),
                ("max by (head) (pipeline_model_served_auc)", "{{head}} served"),
            ),
        ),
        Panel(
            "Calibration error",
            "How far what is promised is from what comes, in ten bins. Of the same examples.",
            "percentunit",
            (
                ("max by (head) (pipeline_model_calibration_error)", "{{head}}"),
                ("max by (head) (pipeline_model_served_calibration_error)", "{{head}} served"),
            ),
        ),
        Panel(
            "Age of the newest snapshot",
            "Since it was published; it grows where no examples come.",
            "s",
            (("time() - max by (head) (pipeline_model_snapshot_timestamp_seconds)", "{{head}}"),),
        ),
        Panel(
            "Examples",
            "Learned, by whether a model had scored the prediction; and refused, by reason.",
            "short",
            (
                (
                    "sum by (head, scored) (rate(pipeline_model_examples_total[$__rate_interval]))",
                    "{{head}} scored {{scored}}",
                ),
                ("sum by (reason) (rate(pipeline_model_refused_total[$__rate_interval]))", "refused: {{reason}}"),
            ),
        ),
        Panel(
            "Scored when predicted",
            "Share of the last examples that a model had said something of when they began.",
            "percentunit",
            (("max by (head) (pipeline_model_served_share)", "{{head}}"),),
        ),
        Panel(
            "Held, and drifting",
            "1 while another version than the newest is served, or a drift alarm stands.",
            "none",
            (
                ("max by (head, reason) (pipeline_model_held)", "{{head}} held: {{reason}}"),
                ("max by (head) (pipeline_model_drift)", "{{head}} drifts"),
            ),
        ),
    ),
    "Next item": (
        Panel(
            "Items suggested, by why",
            "What counted most: seen before, seen together, visits alike, popular.",
            "cps",
            (("sum by (why) (rate(pipeline_next_item_suggested_total[$__rate_interval]))", "{{why}}"),),
        ),
        Panel(
            "Rows of the next item",
            "Of the learner's tables, and of each worker's shelf: the same, but for some seconds.",
            "none",
            (
                ("sum(pipeline_next_item_rows)", "tables"),
                ("sum by (instance) (pipeline_next_item_shelf_rows)", "shelf of {{instance}}"),
            ),
        ),
        Panel(
            "Time to suggest",
            "99th percentile; the worker folds nothing meanwhile.",
            "s",
            (
                (
                    "histogram_quantile(0.99, "
                    "sum by (le) (rate(pipeline_next_item_query_seconds_bucket[$__rate_interval])))",
                    "p99",
                ),
            ),
        ),
    ),
    "Processes": (
        Panel(
            "Memory",
            "Resident set of each process.",
            "bytes",
            (('process_resident_memory_bytes{job="pipeline"}', "{{process}} {{instance}}"),),
        ),
        Panel(
            "CPU",
            "Cores in use by each process.",
            "none",
            (
                (
                    'rate(process_cpu_seconds_total{job="pipeline"}[$__rate_interval])',
                    "{{process}} {{instance}}",
                ),
            ),
        ),
        Panel(
            "Differences found by verify",
            "0 is the only good figure.",
            "none",
            (("max by (namespace) (pipeline_verify_differences)", "{{namespace}}"),),
        ),
    ),
}


def build() -> str:
    """The dashboard as the text of its file."""
    page = (
        dashboard.Dashboard("Live customer pipeline")
        .uid("live-customer-pipeline")
        .description("Generated by deploy/grafana/dashboard.py. What each alert asks of you is in docs/runbook.md.")
        .tags(["pipeline"])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("utc")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    numbers = count(1)
    for title, panels in ROWS.items():
        page = page.with_row(dashboard.Row(title).id(next(numbers)))
        for panel in panels:
            page = page.with_panel(_graph(panel).id(next(numbers)))
    return json.dumps(json.loads(JSONEncoder().encode(page.build())), indent=2, sort_keys=True) + "\n"


def _graph(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.meaning)
        .datasource(SOURCE)
        .unit(panel.unit)
        .min(0)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .span(WIDTH)
        .height(HEIGHT)
    )
    for letter, (query, legend) in zip("ABCD", panel.queries, strict=False):
        graph = graph.with_target(
            prometheus.Dataquery().expr(query).legend_format(legend).ref_id(letter).range().datasource(SOURCE)
        )
    return graph


if __name__ == "__main__":
    FILE.write_text(build(), encoding="utf-8")
