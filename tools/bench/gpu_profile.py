"""Where a model's time on the GPU goes: sums of the kernels in traces that bench/models_bench writes."""
import collections
import json
import pathlib
import re

from table import table

# The first that fits a kernel's name says what it does.
KINDS = (("attention over frames (ours)", r"^attend"),
         ("linear with GEGLU (ours)", r"^geglu_linear"),
         ("quantising (ours)", r"^(quantise|\w+_quantised)"),
         ("group norm, SiLU (ours)", r"^(sum_groups|add_and_sum|find_factors|normalise)"),
         ("GEGLU (ours)", r"^geglu"),
         ("layer norm (ours)", r"^layer_norm"),
         ("biases and sums (ours)", r"^(add|finish_convolution)"),
         ("convolution of single channels (ours)", r"^convolve_channels"),
         ("copies and layouts (ours)", r"^(concatenate|put_channels|repeat_pixels|look_up)"),
         ("attention", r"sdpa|fmha|flash|attention|softmax"),
         ("convolution", r"conv|fprop|wgrad|dgrad|implicit"),
         ("linear", r"gemm|nvjet|cutlass|cublas|splitK"),
         ("copies and layouts", r"[Cc]opy|[Tt]ranspose|nchwToNhwc|nhwcToNchw|CatArray|Memcpy|Memset|upsample"),
         ("sums and other elementwise", r"elementwise|reduce"))


def kind_of(name: str) -> str:
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), "other")


def short(name: str) -> str:
    return re.sub(r"at::native::|\(anonymous namespace\)::|void |std::|<unnamed>::", "", name)[:90]


def read_trace(path: pathlib.Path) -> dict:
    """Of one call: milliseconds from its first kernel to its last one's end, those in which no kernel ran, and those of each kind."""
    events = [event for event in json.loads(path.read_text())["traceEvents"] if event.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")]
    if not events:
        raise ValueError(f"{path}: no kernels")
    kinds: dict = collections.defaultdict(lambda: {"ms": 0.0, "calls": 0})
    names: dict = collections.defaultdict(lambda: {"ms": 0.0, "calls": 0})
    for event in events:
        for sums, key in ((kinds, kind_of(event["name"])), (names, short(event["name"]))):
            sums[key]["ms"] += event["dur"] / 1e3
            sums[key]["calls"] += 1
    busy = end = 0.0
    for begin, duration in sorted((event["ts"], event["dur"]) for event in events):
        busy += max(0.0, begin + duration - max(begin, end))
        end = max(end, begin + duration)
    span = end - min(event["ts"] for event in events)

    def largest_first(sums: dict) -> dict:
        return dict(sorted(sums.items(), key=lambda item: -item[1]["ms"]))

    return {"copies_to_host": sum(event["name"].startswith("Memcpy DtoH") for event in events), "ms": span / 1e3, "idle_ms": (span - busy) / 1e3, "kinds": largest_first(kinds), "kernels": dict(list(largest_first(names).items())[:12])}


def read_traces(folder: pathlib.Path) -> dict:
    return {path.stem: read_trace(path) for path in sorted(folder.glob("*.json"))}


def profile_table(profile: dict, titles: dict) -> list:
    """A column for each model that `titles` names, a row for each kind of kernel."""
    models = [model for model in titles if model in profile]
    kinds = [kind for kind, _ in KINDS] + ["other"]
    rows = []
    for kind in kinds:
        values = [profile[model]["kinds"].get(kind, {"ms": 0.0})["ms"] for model in models]
        if max(values, default=0) >= 0.05:
            rows.append([kind, *(f"{value:.1f}" for value in values)])
    rows.append(["no kernel runs", *(f"{profile[model]['idle_ms']:.1f}" for model in models)])
    return table(["ms of kernels in one call", *(titles[model] for model in models)], rows)
