"""Worker: what one worker does now, and whether its GPU, disk and memory are well."""
from panels import (GREEN, ORANGE, RED, YELLOW, dashboard, datasource_variable, label_variable, query, row,
                    stat, state_timeline, steps, timeseries)
from runbooks import runbook

THIS = '{worker="$worker"}'


def headline() -> list[dict]:
    return [
        stat("State", f"max by (state) (mimicfleet_worker_state{THIS} == 1)", "none", legend="{{state}}", names=True,
             width=3, empty="not scraped", description="Loading its models, ready for tasks, or draining"),
        stat("Device", f"max by (device, device_name, precision) (mimicfleet_worker_info{THIS})", "none",
             legend="{{device}} {{device_name}} {{precision}}", names=True, width=6, empty="not scraped",
             description="Which device it computes on, and with which numbers"),
        stat("Coordinator", f"min(mimicfleet_worker_coordinator_connected{THIS})", "none", width=3,
             link=runbook("MimicfleetWorkerDisconnected"), thresholds=steps((None, RED), (1, GREEN)), empty="not scraped",
             mappings=[{"type": "value", "options": {"0": {"text": "not heard", "index": 0},
                                                     "1": {"text": "connected", "index": 1}}}],
             description="Whether it heard its coordinator within the length of a lease"),
        stat("Busy", f"max(mimicfleet:worker_busy:ratio5m{THIS})", "percentunit", width=3, decimals=0,
             description="Share of the last 5 minutes, or since its start, with a task in work"),
        stat("Tasks", f"sum(mimicfleet_worker_tasks_running{THIS})", "none", width=3, description="In work now"),
        stat("Videos made", f"sum(mimicfleet_worker_videos_made_total{THIS})", "none", width=3,
             decimals=0, description="Since its process started"),
        stat("Up for", f"time() - max(process_start_time_seconds{THIS})", "s", width=3, decimals=0,
             description="Since its process started"),
    ]


def work() -> list[dict]:
    stage = 'avg_over_time(mimicfleet_worker_stage{worker="$worker",stage!~"idle|queued"}[5m]) > 0'
    return [
        state_timeline("Stages", [query(f"mimicfleet_worker_stage{THIS} > 0", "{{stage}}")], height=9,
                       description="When a task was in which stage; what is shorter than the scrape interval may be "
                       "missing"),
        timeseries("Tasks by stage", [query(stage, "{{stage}}")], "none", stacked=True, empty="no task", width=8,
                   description="How many tasks were in each stage, on average over 5 minutes"),
        timeseries("Busy", [query(f"mimicfleet:worker_busy:ratio5m{THIS}", "busy")], "percentunit", width=8, high=1,
                   description="Share of the 5 minutes before each time, or since its start, with a task in work"),
        timeseries("Attempts", [query("sum by (kind, state) (increase(mimicfleet_worker_task_attempts_total"
                                      f"{THIS}[$__rate_interval]))", "{{kind}} {{state}}")], "none", width=8,
                   description="Tasks that ended here, by outcome"),
        timeseries("UNet runs", [query(f"sum(rate(mimicfleet_unet_evaluations_total{THIS}[$__rate_interval]))",
                                       "runs a second")], "ops", width=8,
                   description="Runs of the UNet over one tile of frames, which most of the time goes to; counted as they end"),
        timeseries("Frames made", [query(f"sum(increase(mimicfleet_worker_frames_made_total{THIS}[5m]) / clamp(time() - process_start_time_seconds{THIS}, 1, 300))",
                                         "frames a second")], "none", width=8,
                   description="Frames of finished videos a second, over 5 minutes, or since the start of the worker"),
        timeseries("Models", [query(f"sum(mimicfleet_model_loads_total{THIS})", "loads"),
                              query(f"sum(mimicfleet_unet_adaptations_total{THIS})", "LoRAs fused")],
                   "none", width=8, description="Since the start of the worker; steep lines mean that jobs with different models alternate"),
    ]


def gpu() -> list[dict]:
    none = "no NVIDIA GPU"
    return [
        row("GPU"),
        timeseries("GPU utilisation", [query(f"mimicfleet_device_utilisation_ratio{THIS}", "utilisation")],
                   "percentunit", width=6, high=1, empty=none,
                   description="Share of the time in which a kernel ran, as the driver (NVML) says"),
        timeseries("GPU memory", [query(f"mimicfleet_device_memory_used_bytes{THIS}", "used by all"),
                                  query(f"mimicfleet_device_memory_total_bytes{THIS}", "all there is"),
                                  query(f"mimicfleet_device_memory_peak_bytes{THIS} > 0", "last task's peak"),
                                  query(f"mimicfleet_device_memory_held_bytes{THIS} > 0", "held by this worker")],
                   "bytes", width=6, empty=none, colours={"all there is": RED},
                   description="Used by all programs, as the driver says, and what this worker takes of it"),
        timeseries("GPU temperature", [query(f"mimicfleet_device_temperature_celsius{THIS}", "temperature")],
                   "celsius", width=6, empty=none, thresholds=steps((None, GREEN), (80, ORANGE), (90, RED)),
                   description="GPUs slow down by themselves when they are too hot, most near 90 degrees"),
        timeseries("GPU power", [query(f"mimicfleet_device_power_watts{THIS}", "power")], "watt", width=6, empty=none,
                   description="What the GPU draws"),
    ]


def host() -> list[dict]:
    return [
        row("Process and disk"),
        timeseries("Memory", [query(f"process_resident_memory_bytes{THIS}", "resident")], "bytes", width=6,
                   description="Main memory of the process"),
        timeseries("CPU", [query(f"rate(process_cpu_seconds_total{THIS}[$__rate_interval])", "CPU")], "percentunit",
                   width=6, description="Of the process; 100 % is one core"),
        timeseries("Disk free", [query(f"mimicfleet_disk_free_bytes{THIS}", "{{folder}}")], "bytes", width=6,
                   description="On the disks of its feature cache and of its latents",
                   colours={"cache": YELLOW, "data": GREEN}),
        timeseries("Latents moved",
                   [query(f"sum by (direction) (rate(mimicfleet_artefact_bytes_total{THIS}[$__rate_interval]))",
                          "{{direction}}")], "Bps", width=6,
                   description="Sent to and received from other workers, when one decodes what another sampled"),
    ]


def build() -> dict:
    hosts = label_variable("host", "Host", "label_values(mimicfleet_worker_info, host)",
                           "Narrows the list of workers", every=True)
    worker = label_variable("worker", "Worker", 'label_values(mimicfleet_worker_info{host=~"$host"}, worker)',
                            "As `coordinator worker list` names them")
    return dashboard("mimicfleet-worker", "mimicfleet / Worker", "What one worker does, and its GPU, disk and memory",
                     [datasource_variable(), hosts, worker], headline() + work() + gpu() + host(), since="now-1h")
