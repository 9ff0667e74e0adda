"""Fleet: is everything well, how much is left, and who does it."""
from panels import (BLUE, GREEN, GREY, ORANGE, RED, YELLOW, dashboard, datasource_variable, query, row, stat,
                    steps, table, timeseries)
from runbooks import ALL, PANELS, runbook

FAILURES = [
    query("round(sum(increase(mimicfleet_task_attempts_failed_total[$__rate_interval])))", "failed attempts"),
    query("round(sum(increase(mimicfleet_lease_expiries_total[$__rate_interval])))", "leases that expired"),
    query("round(sum(increase(mimicfleet_host_failures_total[$__rate_interval])))", "attempts that a host could not do"),
    query('round(sum(increase(mimicfleet_tasks_ended_total{kind="decode_video",state="failed"}[$__rate_interval])))',
          "videos that failed for good"),
]
# The label runbook says the alert once more: the table turns it into the number of the panel that has its runbook.
ALERTS = ('count by (alert, runbook, alertstate, severity) (label_replace(label_replace(ALERTS{alertname=~"Mimicfleet.+"}, '
          '"alert", "$1", "alertname", "Mimicfleet(.+)"), "runbook", "$1", "alertname", "(.+)"))')
SCRAPED = "and on (worker) mimicfleet_worker_info"
WORKERS = [
    query("max by (worker, host, device, device_name) (mimicfleet_worker_info)", instant=True, table=True),
    query(f"max by (worker) (mimicfleet:worker_busy:ratio5m) {SCRAPED}", instant=True, table=True),
    query("sum by (worker) (mimicfleet_worker_tasks_running)", instant=True, table=True),
    query(f"sum by (worker) (mimicfleet_worker_videos_made_total) {SCRAPED}", instant=True, table=True),
    query("max by (worker) (mimicfleet_worker_last_heard_seconds)", instant=True, table=True),
]


def headline() -> list[dict]:
    return [
        stat("Videos an hour", "mimicfleet:videos_made:rate15m * 3600", "none", decimals=1,
             description="Speed in the last 15 minutes, of which only the time counts in which tasks were open; 0 while "
             "none is"),
        stat("Time left", "mimicfleet:time_left:seconds", "s", decimals=0, empty="nothing ended yet",
             description="Open tasks through the speed in the last 15 minutes, of which only the time counts in which "
             "tasks were open; of the kind that takes longer. Without a value: none was done in that time"),
        stat("Queue", 'sum(mimicfleet_tasks{state="ready"})', "none",
             description="Tasks that could start now and wait for a worker"),
        stat("Oldest wait", "max(mimicfleet_oldest_ready_task_age_seconds)", "s", decimals=0,
             description="How long the task waits that has been ready for longest"),
        stat("Workers ready", 'sum(mimicfleet_workers{state="ready"})', "none",
             link=runbook("MimicfleetWorkerLost"), thresholds=steps((None, RED), (1, GREEN)),
             description="Workers that take tasks"),
        stat("Alerts firing", 'count(ALERTS{alertname=~"Mimicfleet.+",alertstate="firing"}) or vector(0)', "none",
             link=ALL, thresholds=steps((None, GREEN), (1, RED)),
             description="The table below names them, with a link to the runbook of each"),
    ]


def work() -> list[dict]:
    return [
        timeseries("Open tasks", [query("sum by (state) (mimicfleet_tasks)", "{{state}}")], "none", stacked=True,
                   description="Running on a worker, ready for one, or waiting for what another task makes",
                   colours={"running": GREEN, "ready": YELLOW, "waiting": GREY}),
        timeseries("Videos an hour", [query("mimicfleet:videos_made:rate15m * 3600", "videos an hour")], "none",
                   description="Over the 15 minutes before each time, of which only the time counts in which tasks were "
                   "open; 0 while none is"),
        timeseries("Busy share by host", [query("avg by (host) (mimicfleet:worker_busy:ratio5m)", "{{host}}")],
                   "percentunit", width=8, high=1,
                   description="Share of the last 5 minutes, or since it was started, in which a worker (one for each GPU) "
                   "had a task"),
        timeseries("Workers", [query("sum by (state) (mimicfleet_workers)", "{{state}}"),
                               query("sum(mimicfleet_workers_set_aside)", "set aside")],
                   "none", width=8, colours={"ready": GREEN, "loading": YELLOW, "draining": GREY, "set aside": RED},
                   description="By state. Set aside: gets nothing more of a job because of its host"),
        timeseries("Failures", FAILURES, "none", width=8,
                   description="An attempt that fails is tried again on another worker; a video fails for good after "
                   "three, or when its input is at fault",
                   colours={"videos that failed for good": RED, "failed attempts": ORANGE}),
        table("Alerts", [query(ALERTS, instant=True, table=True)],
              "alert", ["how many"], {}, width=10, empty="no alert is pending or firing",
              labels={"alertstate": "state", "severity": "severity", "runbook": "runbook"},
              hidden={"runbook": PANELS}, link=("alert", "Runbook", ALL + "?viewPanel=${__data.fields.runbook.text}"),
              description="Pending: the condition holds, but not for long enough yet"),
        table("Workers", WORKERS, "worker", ["", "busy", "tasks", "videos", "last heard"],
              {"busy": "percentunit", "last heard": "s"}, width=14,
              labels={"host": "host", "device": "device", "device_name": "device name"},
              link=("worker", "Worker", "/d/mimicfleet-worker?var-worker=${__value.raw}&${__url_time_range}"),
              empty="no worker is scraped",
              description="Busy: share of the last 5 minutes, or since its start; videos: made since its start"),
    ]


def service() -> list[dict]:
    write = "sum by (le) (rate(mimicfleet_store_write_duration_seconds_bucket[$__rate_interval]))"
    wait = "sum by (le, kind) (rate(mimicfleet_task_wait_seconds_bucket[$__range]))"
    return [
        row("Coordinator"),
        timeseries("Store writes", [query(f"histogram_quantile(0.5, {write}) >= 0", "median"),
                                    query(f"histogram_quantile(0.99, {write}) >= 0", "99 of 100")], "s", width=8,
                   description="How long it takes until a change is safe on the disk; every answer waits for it"),
        timeseries("Messages", [query("sum by (type) (rate(mimicfleet_messages_received_total[$__rate_interval])) > 0",
                                      "{{type}}"),
                                query("sum(rate(mimicfleet_messages_refused_total[$__rate_interval]))", "refused")],
                   "ops", width=8, colours={"refused": RED},
                   description="By type, and what was refused: malformed, of another version, or not allowed"),
        timeseries("Events", [query("sum by (kind) (increase(mimicfleet_events_total[$__rate_interval])) > 0",
                                    "{{kind}}")], "none", width=8,
                   description="Entries of the event log, as in `coordinator job events`"),
        stat("Wait, 9 of 10 tasks", f"max(histogram_quantile(0.9, {wait}) >= 0)", "s",
             description="In the time shown nine of ten tasks were leased within this time of being ready",
             empty="none was leased"),
        stat("Jobs running", 'sum(mimicfleet_jobs{state="running"})', "none", description="Jobs with open tasks"),
        stat("Jobs failed", 'sum(increase(mimicfleet_jobs_ended_total{state="failed"}[$__range]))', "none",
             decimals=0, thresholds=steps((None, GREEN), (0.5, ORANGE)),
             description="Jobs that ended in the time shown with a video that could not be made"),
        stat("State", "sum(mimicfleet_state_bytes)", "bytes", description="What jobs and events take on the disk"),
        stat("State's disk free", 'min(mimicfleet_disk_free_bytes{folder="state"} / '
             'mimicfleet_disk_size_bytes{folder="state"})', "percentunit", link=runbook("MimicfleetDiskFilling"),
             thresholds=steps((None, RED), (0.05, ORANGE), (0.2, GREEN)),
             description="Share of the disk with the coordinator's state that is free"),
        stat("Store failures", "sum(increase(mimicfleet_store_write_failures_total[$__range]))", "none", decimals=0,
             link=runbook("MimicfleetStoreWriteFailures"), thresholds=steps((None, GREEN), (0.5, RED)),
             description="Writes of the state that failed in the time shown"),
    ]


def build() -> dict:
    restarts = {"name": "Coordinator started", "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "enable": True, "iconColor": BLUE, "expr": "changes(mimicfleet_coordinator_epoch[1m]) > 0",
                "titleFormat": "coordinator started", "step": "30s"}
    return dashboard("mimicfleet-fleet", "mimicfleet / Fleet", "Throughput, queue, workers, failures and alerts",
                     [datasource_variable()], headline() + work() + service(), annotations=[restarts])
