"""The section "GPU" of docs/benchmarks.md, out of the figures of tools/bench/gpu."""
import statistics

import gpu_profile
from table import outside_models

TARGETS_MS = {"unet_guided_tile": ("UNet, both passes of a tile of 16 frames", 360), "unet_tile": ("UNet, one pass of a tile of 16 frames", None),
              "vae_decode_chunk": ("VAE decode, a chunk of 8 frames", 250), "vae_encode": ("VAE encode, one image", None), "clip_embedding": ("CLIP", None),
              "pose_net_tile": ("PoseNet, 16 frames", None), "dwpose_batch": ("DWPose, a frame, batched", 4)}
MODE_NAMES = {"euler25": "25 steps Euler, guidance", "lcm4_guided": "4 steps LCM, guidance", "lcm4": "4 steps LCM, no guidance"}
STAGES = ("preprocess", "draw", "clip", "vae_encode", "pose_net", "denoise", "vae_decode", "mux")


def machine_line(machine: dict) -> str:
    gpus = machine["gpus"]
    gpu = f"{len(gpus)} × {gpus[0]}" if len(gpus) > 1 else (gpus[0] if gpus else "no GPU")
    return f"{gpu}; {machine['cpu']}, {machine['cores']} cores"


def machine_lines(machines: dict) -> list:
    """Each machine, with the parts that it ran unless there is one alone."""
    parts: dict = {}
    for part, machine in machines.items():
        parts.setdefault(machine_line(machine), []).append(part)
    if len(parts) == 1:
        return [f"{machine}." for machine in parts]
    return ["; ".join(f"{machine} ({', '.join(names)})" for machine, names in parts.items()) + "."]


def milliseconds(modules: dict, name: str) -> float | None:
    return modules[name]["ms"] / (modules[name].get("frames") or 1) if name in modules else None


def modules_table(modules: dict, alone: dict) -> list:
    lines = ["| one call, ms | measured | with LibTorch's kernels alone | target |", "|---|---|---|---|"]
    for name, (text, target) in TARGETS_MS.items():
        ms, others = milliseconds(modules, name), milliseconds(alone, name)
        if ms is not None:
            verdict = "" if target is None else f"{target}" + ("" if ms <= target else ", MISSED")
            lines.append(f"| {text} | {ms:.1f} | {'' if others is None else format(others, '.1f')} | {verdict} |")
    return lines


def clips_table(clips: dict) -> list:
    modes = [mode for mode in MODE_NAMES if mode in clips]
    lines = ["| seconds, one clip | " + " | ".join(MODE_NAMES[mode] for mode in modes) + " |", "|---|" + "---|" * len(modes)]
    for stage in STAGES:
        lines.append(f"| {stage} | " + " | ".join(f"{clips[mode]['stages'].get(stage, 0.0):.2f}" for mode in modes) + " |")
    lines.append("| **whole command** | " + " | ".join(f"**{clips[mode]['whole']:.2f}**" for mode in modes) + " |")
    lines.append("| outside the models (target 2 %) | " + " | ".join(f"{outside_models(clips[mode]):.1%}" for mode in modes) + " |")
    return lines


def folders_table(clips: dict, original: list) -> list:
    """A folder's throughput; the original makes a video of a folder as it makes a single one, loading included, and always with guidance."""
    theirs = [run["whole"] for run in original if run["mode"] == "lcm4"]
    lines = ["| a folder in LCM mode, 4 steps | clips | seconds | a clip | videos an hour | outside the models (target 2 %) | GPU busy | original, a clip | times its throughput (target 3) |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name, title in (("folder_guided", "guidance"), ("folder", "no guidance")):
        run = clips.get(name)
        if run is None:
            continue
        each = run["whole"] / run["videos"]
        outside = outside_models(run)
        busy = "" if run.get("busy") is None else f"{run['busy']:.0%}"
        against = f"{statistics.median(theirs):.1f} | {statistics.median(theirs) / each:.1f}" if theirs else " | "
        lines.append(f"| {title} | {run['videos']} | {run['whole']:.1f} | {each:.2f} | {3600 / each:.0f} | {outside:.1%}{'' if outside <= 0.02 else ', MISSED'} | {busy} | {against} |")
    return lines if len(lines) > 2 else []


def original_table(original: list, clips: dict) -> list:
    ours_of = {"euler25": "euler25", "lcm4": "lcm4_guided"}
    lines = ["| seconds, one clip | original: load | CLIP, VAE encode | denoise | VAE decode | all | mimicfleet, whole command | ratio |", "|---|---|---|---|---|---|---|---|"]
    for run in original:
        stages = run["stages"]
        ours = clips.get(ours_of.get(run["mode"], ""))
        against = f"{ours['whole']:.1f} | {run['whole'] / ours['whole']:.1f}" if ours else " | "
        lines.append(f"| {MODE_NAMES[ours_of[run['mode']]]} | {stages['load']:.1f} | {stages['clip'] + stages['vae_encode']:.2f} | {stages['denoise']:.1f} | {stages['vae_decode']:.1f} | "
                     f"{run['whole']:.1f} | {against} |")
    return lines


def failures(results: dict) -> list:
    """What did not work, in words."""
    parts = [name.removesuffix("_failed") for name in results if name.endswith("_failed")]
    tests = [name for name, value in results.get("tests", {}).items() if value["code"] != 0]
    faults = [what for what, code in (("out of memory", 1), ("a kernel's assertion", 0)) if results.get("faults", {}).get(what, {}).get("code", code) != code]
    return parts + tests + faults


def test_line(tests: dict) -> str:
    passed = sum(value["passed"] for value in tests.values())
    failed = sum(len(value["failed"]) for value in tests.values())
    return f"Comparisons with the original's tensors in fp32 on the GPU, and of our kernels: {passed} pass, {failed} fail."


FAULTS = {"out of memory": "1 GB of memory, too little for the VAE's decoding", "a kernel's assertion": "a kernel whose assertion fails"}


def fault_line(what: str, fault: dict) -> str:
    end = "the video is made by the next process" if fault["code"] == 0 else "a clear error after a fresh process" if fault["processes"] > 1 else "an error"
    return f"{FAULTS.get(what, what)}: {end} (exit code {fault['code']}, {fault['processes']} processes, {fault['seconds']:.0f} s)"


def markdown(results: dict) -> str:
    lines = ["Models of full size with random weights from a seed (`tools/bench/full_size_models`), fp16, 576x1024, 72 frames, tiles of 16 that share 6, a warm worker, no feature cache; "
             "each figure measured once.", *machine_lines(results.get("machines", {}))]
    clips, original = results.get("clips", {}), results.get("original", [])[1:]  # the first one warmed up
    if "modules" in results:
        lines += ["", *modules_table(results["modules"], results.get("alone", {}))]
    if any(mode in clips for mode in MODE_NAMES):
        lines += ["", *clips_table(clips)]
        memory = next((clips[mode]["memory"] for mode in MODE_NAMES if mode in clips), [])
        lines += ["", "Memory: " + "; ".join(memory) + "."] if memory else []
        lines += ["", *folders] if (folders := folders_table(clips, original)) else []
    if original:
        lines += ["", "The original is UniSignMimicTurbo's pipeline with diffusers, fp16, on the same models, each run after one to warm up. It loads its models for every video and cannot leave guidance "
                  "out; its pose stage and MP4 writer are not in its figures, ours are in the whole command.", "", *original_table(original, clips)]
    if "parity" in results:
        lines += ["", "| whole command | latents, of the largest | PSNR of frames, dB | equal values |", "|---|---|---|---|"]
        lines += [f"| {what} | {value['latents']:.1e} | {value['psnr_db']:.1f} | {value['equal']:.1%} |" for what, value in results["parity"].items()]
        lines += ["", "fp16 against fp32 should be at least 40 dB."]
    if "tests" in results:
        lines += ["", test_line(results["tests"])]
    if "faults" in results:
        lines += ["", "Faults: " + "; ".join(fault_line(what, fault) for what, fault in results["faults"].items()) + "."]
    if "fleet" in results:
        fleet = results["fleet"]
        lines += ["", "Eight clips, 4 steps LCM without guidance, a worker for each GPU: " + "; ".join(f"{count} GPU{'s' if count != '1' else ''} {run['whole']:.1f} s" for count, run in fleet.items())
                  + (f"; {fleet['1']['whole'] / list(fleet.values())[-1]['whole']:.2f} times the throughput." if "1" in fleet and len(fleet) > 1 else ".")]
    if "profile" in results:
        lines += ["", *gpu_profile.table(results["profile"], {name: TARGETS_MS[name][0] for name in ("unet_guided_tile", "vae_decode_chunk")} | {"dwpose_batch": "DWPose, 16 frames"})]
    if failed := failures(results):
        lines += ["", f"**FAILED: {', '.join(failed)}.**"]
    return "\n".join(lines) + "\n"


BEGIN, END = "<!-- of ./dev bench gpu: begin -->", "<!-- of ./dev bench gpu: end -->"


def put_into(path, report: str) -> None:
    """Replaces what stands between the two marks."""
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{report}{END}{after}")
