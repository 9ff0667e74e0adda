"""What follows from the figures of tools/bench/gpu: one number of each kind, None where it was not measured."""
import statistics

MODELS_IN_TURN = ("pose_net", "denoise", "vae_decode")
MODELS_BEFORE = ("clip", "vae_encode")
# Of a clip of 72 frames: tiles of 16 that share 6, and chunks of 8 that the VAE decodes.
TILES, CHUNKS = 7, 9


def milliseconds(modules: dict, name: str) -> float | None:
    return modules[name]["ms"] / (modules[name].get("frames") or 1) if name in modules else None


def original_runs(original: list, mode: str) -> list:
    """Without the first one of all, which warmed up."""
    return [run for run in original[1:] if run["mode"] == mode]


def original_calls(original: list) -> dict:
    """What its stages are for one call, in milliseconds: both passes of the tiles in each of 4 steps, and the chunks."""
    runs = original_runs(original, "lcm4")
    if not runs:
        return {}
    return {"unet_guided_tile": 1000 * statistics.median(run["stages"]["denoise"] for run in runs) / (4 * TILES),
            "vae_decode_chunk": 1000 * statistics.median(run["stages"]["vae_decode"] for run in runs) / CHUNKS}


def original_clip(original: list, mode: str) -> tuple:
    """Seconds of a video, and without loading its models."""
    runs = original_runs(original, mode)
    if not runs:
        return None, None
    return statistics.median(run["whole"] for run in runs), statistics.median(run["whole"] - run["stages"]["load"] for run in runs)


def outside_all(run: dict, modules: dict) -> float | None:
    """Of the whole command: what no model computes. DWPose counts with what its calls take alone; decoding, resizing, drawing, messages and the encoder are outside.
    Where a clip's conditioning was overlapped with another one's models, no time of its own counts for DWPose, CLIP and the VAE's encoding."""
    pose = run.get("dwpose_ms", milliseconds(modules, "dwpose_batch"))  # of that machine and revision
    if pose is None:
        return None
    in_turn = sum(run["stages"].get(stage, 0) for stage in MODELS_IN_TURN)
    before = sum(run["stages"].get(stage, 0) for stage in MODELS_BEFORE) + (run["frames"] + run["videos"]) * pose / 1000  # DWPose sees the reference of each video, too
    return 1 - (in_turn + before * (1 - run.get("beside", 0) / run["videos"])) / run["whole"]


def further_clip(folder: dict, single: dict | None) -> tuple:
    """What one clip more costs a folder, in seconds, and what part of that no model computes: without a run's start and end."""
    if single is None or folder["videos"] < 2 or folder["whole"] <= single["whole"]:
        return None, None
    seconds = (folder["whole"] - single["whole"]) / (folder["videos"] - 1)
    return seconds, 1 - sum(folder["stages"].get(stage, 0) for stage in MODELS_IN_TURN) / folder["videos"] / seconds


def against_original(folder: dict | None, original: list) -> tuple:
    """How many times the original's throughput a folder has, its loading included, and without that."""
    whole, loaded = original_clip(original, "lcm4")
    if folder is None or whole is None:
        return None, None
    each = folder["whole"] / folder["videos"]
    return whole / each, loaded / each


PARTS_OF_SEVERAL = ("clips", "peers")  # of which one call may measure some figures only


def merged(results: dict, added: dict) -> dict:
    """With the parts of another run, which replace their like; of a part of several figures only those that it has."""
    whole, machines = dict(results), dict(results.get("machines", {}))
    for part, figures in added.items():
        if part == "machines":
            continue
        machine = added["machines"][part]
        if part in PARTS_OF_SEVERAL and part in results:
            whole[part] = results[part] | {name: results[part].get(name, {}) | value if part == "peers" else value for name, value in figures.items()}
            if whole[part] == figures:  # nothing of the other is left
                machines = {name: its for name, its in machines.items() if not name.startswith(f"{part} (")} | {part: machine}
            elif machines.get(part) != machine:
                machines[f"{part} ({', '.join(figures)})"] = machine
        else:
            whole[part], machines[part] = figures, machine
            whole.pop(f"{part}_failed", None)
            machines.pop(f"{part}_failed", None)
    return whole | {"machines": machines}
