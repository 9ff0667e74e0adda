"""Each kernel of our own alone, at the shapes of the full-size models, beside LibTorch's way to the same: what bench/kernels_bench prints."""
import statistics

from roofline import H200
from table import table

WAYS = ("ours", "portable", "libtorch")  # portable: ours where the chip has no such units
MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}


def read(benchmarks: list) -> dict:
    """Of Google Benchmark's JSON: benchmarks named KERNEL/SHAPE/WAY with the counters ms, bytes and flop of one call; without ms an iteration is one call."""
    times: dict = {}
    kernels: dict = {}
    for one in benchmarks:
        words = one["name"].split("/")
        if one.get("error_occurred") or one.get("run_type", "iteration") != "iteration" or len(words) < 3 or words[2] not in WAYS:
            continue
        kernel, shape, way = words[:3]
        figures = kernels.setdefault(kernel, {}).setdefault(shape, {})
        times.setdefault((kernel, shape, way), []).append(one.get("ms", one["real_time"] * MILLISECONDS[one.get("time_unit", "ns")]))
        figures[way] = statistics.median(times[kernel, shape, way])
        if way == "ours":
            figures |= {counter: one[counter] for counter in ("bytes", "flop") if counter in one}
    return kernels


def rate(figures: dict, with_share: bool) -> str:
    """By whichever of the two rates bounds it on an H200, and what share of that is reached."""
    seconds = figures["ours"] / 1e3
    shares = {f"{figures.get('flop', 0) / seconds / 1e12:.0f} TFLOP/s": figures.get("flop", 0) / seconds / H200.matrix_flop,
              f"{figures.get('bytes', 0) / seconds / 1e12:.2f} TB/s": figures.get("bytes", 0) / seconds / H200.memory_bytes}
    text, share = max(shares.items(), key=lambda item: item[1])
    if share == 0:
        return ""
    return f"{text} ({share:.0%})" if with_share else text


def kernels_table(kernels: dict, on_an_h200: bool) -> list:
    """`on_an_h200`: its rates are what the shares refer to."""
    portable = any("portable" in figures for shapes in kernels.values() for figures in shapes.values())
    rows = []
    for kernel, shapes in kernels.items():
        for shape, figures in shapes.items():
            ours, theirs = figures.get("ours"), figures.get("libtorch")
            times = [f"{figures[way]:.3f}" if way in figures else "" for way in WAYS if portable or way != "portable"]
            rows.append([f"`{kernel}`", shape, *times, f"{theirs / ours:.1f}" if ours and theirs else "", rate(figures, on_an_h200) if ours else ""])
    note = f"rate (of {H200.matrix_flop / 1e12:.0f} TFLOP/s or {H200.memory_bytes / 1e12:.1f} TB/s)" if on_an_h200 else "rate"
    return table(["kernel", "shape", "ms", *(["ours on other GPUs, ms"] if portable else []), "LibTorch's, ms", "times as fast", note], rows)
