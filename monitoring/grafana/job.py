"""Job: how far it is, when it is done, and what went wrong."""
from panels import (BLUE, GREEN, GREY, ORANGE, RED, YELLOW, bar_gauge, dashboard, datasource_variable,
                    label_variable, query, stat, steps, timeseries)
from runbooks import runbook

# Not `job`: Prometheus itself gives each target such a label.
NUMBER = "number"
THIS = f'{NUMBER}="$job"'
TASKS = f"mimicfleet_job_tasks{{{THIS}}}"
VIDEOS = f"sum(mimicfleet_job_videos_made{{{THIS}}})"
FAILED = f"sum(mimicfleet_job_videos_failed{{{THIS}}})"
AGE = f"max(mimicfleet_job_age_seconds{{{THIS}}})"


def tasks(states: str) -> str:
    return f'sum(mimicfleet_job_tasks{{{THIS},state=~"{states}"}})'


OPEN = tasks("waiting|ready|running")
STATES = {"done": GREEN, "running": BLUE, "ready": YELLOW, "waiting": GREY, "failed": RED, "cancelled": ORANGE}


def build() -> dict:
    rate = f'sum(deriv(mimicfleet_job_tasks{{{THIS},state="done"}}[15m]))'
    videos = f"clamp_min(sum(deriv(mimicfleet_job_videos_made{{{THIS}}}[15m])), 0) * 3600"
    frames = f"sum(deriv(mimicfleet_job_frames_made{{{THIS}}}[5m])) >= 0"
    panels = [
        stat("Progress", f"{tasks('done|failed|cancelled')} / sum({TASKS})", "percentunit", decimals=0,
             description="Share of the job's tasks that have ended: done, failed or cancelled"),
        stat("Time left", f"({OPEN} / ({rate} > 0)) or ({OPEN} == 0)", "s", decimals=0,
             empty="nothing done lately",
             description="Open tasks through the speed in the last 15 minutes, or since it was submitted. Without a value: "
             "none was done in that time"),
        stat("Videos made", VIDEOS, "none",
             description="Whole videos at their place"),
        stat("Videos an hour", videos, "none", decimals=1,
             description="Speed in the last 15 minutes, or since it was submitted"),
        stat("Age", AGE, "s", decimals=0,
             description="Since it was submitted; stands still once the job has ended"),
        stat("Failed videos", FAILED, "none", link=runbook("MimicfleetPoisonClips"), thresholds=steps((None, GREEN), (1, RED)),
             description="`coordinator task list --job N` names their files, `coordinator task explain N` the reasons"),
        timeseries("Tasks by state", [query(f"sum by (state) ({TASKS})", "{{state}}")], "none", stacked=True, width=16,
                   height=9, colours=STATES, description="All tasks of the job"),
        bar_gauge("Tasks now", f"sum by (state) ({TASKS})", "{{state}}", "none", height=9,
                  description="Waiting: for what another task makes; ready: for a worker"),
        timeseries("Videos made", [query(VIDEOS, "videos")], "none",
                   description="Whole videos at their place", width=8),
        timeseries("Frames a second",
                   [query(frames, "frames a second")],
                   "none", width=8, description="Frames of finished videos, over the last 5 minutes"),
        timeseries("Failed videos", [query(FAILED, "failed")], "none", width=8, colours={"failed": RED},
                   description="Videos of the job that could not be made"),
    ]
    job = label_variable("job", "Job", f"label_values(mimicfleet_job_tasks, {NUMBER})",
                         "Jobs that run or ended in the last hour, as `coordinator job list` numbers them",
                         newest_first=True)
    return dashboard("mimicfleet-job", "mimicfleet / Job", "Progress of one job", [datasource_variable(), job], panels,
                     since="now-1h")
