"""Tables of what was measured, in Markdown as docs/benchmarks.md has them, each figure beside its bar."""
import statistics

STAGES = ("load", "preprocess", "draw", "clip", "vae_encode", "pose_net", "denoise", "vae_decode", "mux")
MODEL_STAGES = ("load", "preprocess", "draw", "clip", "vae_encode", "pose_net", "denoise", "vae_decode")
# What is shown -> the stages of a run that it sums. The original has no stage of its own for PoseNet: it is inside its denoising.
ROWS = {"load": ("load",), "pose (decode, detect, draw)": ("preprocess", "draw"), "CLIP": ("clip",), "VAE encode": ("vae_encode",),
        "denoise (with PoseNet)": ("denoise", "pose_net"), "VAE decode": ("vae_decode",), "mux": ("mux",)}
RATIO_BARS = {"denoise (with PoseNet)": 1.0, "VAE decode": 1.0, "pose (decode, detect, draw)": 1.5, "whole command": 0.9, "peak memory, GB": 1.0}
START_UP_BARS = {"coordinator --help": 0.05, "worker --help": 0.5, "first heartbeat": 1.0}
OUTSIDE_BAR = 0.03


def median(runs: list, pick) -> float:
    return statistics.median(pick(run) for run in runs)


def row(name: str, ours: list, theirs: list, pick) -> dict:
    mine = median(ours, pick)
    other = median(theirs, pick) if theirs else None
    # The ratio of a pair of runs that followed each other: what slowed the machine down slowed both.
    ratio = statistics.median(pick(a) / pick(b) for a, b in zip(ours, theirs)) if other else None
    return {"what": name, "mimicfleet": mine, "original": other, "ratio": ratio, "bar": RATIO_BARS.get(name)}


def compare(ours: list, theirs: list) -> list:
    """Rows of one clip's run: seconds by stage, of the whole, CPU seconds, memory."""
    rows = [row(name, ours, theirs, lambda run, stages=stages: sum(run["stages"].get(stage, 0) for stage in stages)) for name, stages in ROWS.items()]
    rows.append(row("whole command", ours, theirs, lambda run: run["whole"]))
    rows.append(row("CPU time of the whole command", ours, theirs, lambda run: run["cpu"]))
    rows.append(row("peak memory, GB", ours, theirs, lambda run: run["peak"] / 1e9))
    return rows


def outside_models(run: dict) -> float:
    """The part of a run in which no model is loaded or run: processes that start and talk, and the MP4's encoder."""
    return 1 - sum(run["stages"].get(stage, 0) for stage in MODEL_STAGES) / run["whole"]


def table(head: list, rows: list) -> list:
    """Lines of a table of texts."""
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(row) + " |" for row in rows)]


def verdict(value: float, bar: float) -> str:
    return f"{bar:g}" if value <= bar else f"{bar:g}, MISSED"


def markdown(rows: list) -> str:
    lines = ["| seconds | mimicfleet | original | ratio | at most |", "|---|---|---|---|---|"]
    for one in rows:
        ratio = one["ratio"]
        bar = verdict(ratio, one["bar"]) if ratio is not None and one["bar"] else ""
        lines.append(f"| {one['what']} | {one['mimicfleet']:.3f} | {'–' if one['original'] is None else format(one['original'], '.3f')} | "
                     f"{'–' if ratio is None else format(ratio, '.2f')} | {bar} |")
    return "\n".join(lines)


def markdown_of_shares(start_up: dict, outside: float) -> str:
    lines = ["| | measured | at most |", "|---|---|---|"]
    lines += [f"| {name}, seconds | {seconds:.3f} | {verdict(seconds, START_UP_BARS[name])} |" for name, seconds in start_up.items()]
    lines.append(f"| time outside the models, of the whole command | {outside:.1%} | {'3 %' if outside <= OUTSIDE_BAR else '3 %, MISSED'} |")
    return "\n".join(lines)
