"""The section "GPU" of docs/benchmarks.md, out of the figures of tools/bench/gpu."""
import re
import statistics

import gpu_kernels
import gpu_profile
from gpu_acceptance import CALL_NAMES, SETTING, acceptance_table, has_bars, peers_line, roofline_line
from gpu_figures import against_original, further_clip, milliseconds, original_runs, outside_all
from table import outside_models, table

MODULE_NAMES = CALL_NAMES | {"fp8_guided_tile": "UNet, both passes of a tile of 16 frames, `--fp8`", "vae_encode": "VAE encode, one image (float32)", "clip_embedding": "CLIP", "pose_net_tile": "PoseNet, 16 frames",
                             "dwpose_batch": "DWPose, a frame, in batches (TensorFloat-32)", "video_decode": "on the CPU: decoding a frame of the driving video",
                             "draw_poses": "on the CPU: drawing a frame's poses"}
MODE_NAMES = {"euler25": "25 steps Euler, guidance", "lcm4_guided": "4 steps LCM, guidance", "lcm4": "4 steps LCM, no guidance"}
STAGES = ("preprocess", "draw", "clip", "vae_encode", "pose_net", "denoise", "vae_decode", "mux")
PSNR_BAR = 40
# Relative differences of root mean squares at full size: of fp32 to the original's, and of fp16.
FULL_BARS = {"fp32": 1e-4, "fp16": 3e-3}
FAULTS = {"out of memory": "1 GB of memory, too little for the VAE's decoding", "a kernel's assertion": "a kernel whose assertion fails"}
SHOWN_KERNELS = 4


def verdict(met: bool) -> str:
    return "" if met else ", MISSED"


# ---- where and when

def gpu_name(machine: dict) -> str:
    return machine["gpus"][0].split(",")[0] if machine["gpus"] else "no GPU"


def machine_facts(machine: dict) -> dict:
    """In the order in which they are told."""
    count, versions = len(machine["gpus"]), machine.get("versions", {})
    driver = machine["gpus"][0].rsplit(", ", 1)[1] if count and "," in machine["gpus"][0] else ""
    return {"gpu": gpu_name(machine), "count": f"{count} GPUs" if count > 1 else "one GPU" if count else "", "driver": f"driver {driver}" if driver else "",
            "cpu": f"{machine['cores']} cores of {machine['cpu']}", "software": ", ".join(f"{name} {version}" for name, version in versions.items()),
            "setting": "" if machine.get("setting") == SETTING else machine.get("setting", ""), "id": f"machine {machine['id']}" if machine.get("id") else "",
            "revision": f"revision {machine.get('revision') or 'unknown'}", "day": machine.get("day", "unknown day")}


def run_lines(machines: dict) -> list:
    """What was the same in all parts, then each part's machine and revision where they were not."""
    if not machines:
        return []
    facts = {part: machine_facts(machine) for part, machine in machines.items()}
    first = next(iter(facts.values()))
    differing = [name for name in first if len({one[name] for one in facts.values()}) > 1]
    common = ", ".join(first[name] for name in first if name not in differing and first[name])
    parts: dict = {}
    for part, one in facts.items():
        parts.setdefault(", ".join(one[name] for name in differing if one[name]), []).append(part)
    if not differing:
        return [f"{common}."]
    return [f"{common}:" if common else "On:", "", *(f"- {', '.join(names)}: {key}." for key, names in parts.items())]


# ---- speed

def modules_table(modules: dict, alone: dict) -> list:
    rows = []
    for name, text in MODULE_NAMES.items():
        ms, others = milliseconds(modules, name), milliseconds(alone, name)
        if ms is not None:
            rows.append([text, f"{ms:.2f}", "" if others is None else f"{others:.2f}"])
    return table(["one call, ms", "measured", "with LibTorch's kernels alone"], rows)


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def clips_table(clips: dict, modules: dict) -> list:
    modes = [mode for mode in MODE_NAMES if mode in clips]
    rows = [[stage, *(f"{clips[mode]['stages'].get(stage, 0.0):.2f}" for mode in modes)] for stage in STAGES]
    rows.append(["**whole command**", *(f"**{clips[mode]['whole']:.2f}**" for mode in modes)])
    rows.append(["in none of these stages but mux: encoder, processes, messages", *(percent(outside_models(clips[mode])) for mode in modes)])
    rows.append(["outside the models: also decoding, resizing and drawing", *(percent(outside_all(clips[mode], modules)) for mode in modes)])
    return table(["seconds, one clip", *(MODE_NAMES[mode] for mode in modes)], rows)


def folders_table(clips: dict, original: list, modules: dict) -> list:
    """A folder's throughput; the original makes a video of a folder as it makes a single one, loading included, and always with guidance."""
    rows = []
    for name, mode, title in (("folder_guided", "lcm4_guided", "with guidance"), ("folder", "lcm4", "without")):
        run = clips.get(name)
        if run is None:
            continue
        each = run["whole"] / run["videos"]
        further, outside = further_clip(run, clips.get(mode))
        times, times_loaded = against_original(run, original)
        rows.append([title, f"{run['videos']}", f"{run.get('beside', 0)}", f"{run['whole']:.1f}", f"{each:.2f}", f"{3600 / each:.0f}", percent(outside_all(run, modules)), "" if further is None else f"{further:.2f}",
                     percent(outside), "" if run.get("busy") is None else f"{run['busy']:.0%}", "" if times is None else f"{times:.1f} ({times_loaded:.1f})"])
    if not rows:
        return []
    return table(["a folder, 4 steps LCM", "clips", "conditioning overlapped", "seconds", "a clip", "videos an hour", "outside the models", "a further clip", "of it outside the models", "GPU busy",
                  "times the original's throughput with guidance (without its loading)"], rows)


def original_table(original: list, clips: dict) -> list:
    """Of each mode the medians of its runs."""
    rows = []
    for mode, name in (("euler25", "euler25"), ("lcm4", "lcm4_guided")):
        runs = original_runs(original, mode)
        if not runs:
            continue
        seconds = {stage: statistics.median(run["stages"][stage] for run in runs) for stage in runs[0]["stages"]}
        whole = statistics.median(run["whole"] for run in runs)
        ours = clips.get(name)
        against = [f"{ours['whole']:.1f}", f"{whole / ours['whole']:.1f}"] if ours else ["", ""]
        elsewhere = sorted({run["machine"] for run in runs if "machine" in run})
        rows.append([MODE_NAMES[name] + "".join(f" (on {machine})" for machine in elsewhere), f"{len(runs)}", f"{seconds['load']:.1f}", f"{seconds['clip'] + seconds['vae_encode']:.2f}", f"{seconds['denoise']:.1f}", f"{seconds['vae_decode']:.1f}",
                     f"{whole:.1f}", *against])
    return table(["seconds, one clip; medians", "runs of the original", "its load", "CLIP, VAE encode", "denoise", "VAE decode", "all", "mimicfleet, whole command", "ratio"], rows)


def fleet_line(fleet: dict) -> str:
    runs = "; ".join(f"{count} GPU{'s' if count != '1' else ''} {run['whole']:.1f} s" for count, run in fleet.items())
    ratio = f"; {fleet['1']['whole'] / list(fleet.values())[-1]['whole']:.2f} times the throughput" if "1" in fleet and len(fleet) > 1 else ""
    return f"Eight clips, 4 steps LCM without guidance, a worker for each GPU: {runs}{ratio}."


# ---- correctness

def parity_table(parity: dict) -> list:
    return table(["whole command", "latents: largest difference", "root mean square", "frames: PSNR, dB", "largest", "equal values"],
                 [[what + (f" (at least {PSNR_BAR} dB{verdict(value['psnr_db'] >= PSNR_BAR)})" if "shipped pack: gpu fp16" in what else ""), f"{value['latents']:.1e}",
                   f"{value['latents_rms']:.1e}" if "latents_rms" in value else "", f"{value['psnr_db']:.1f}", f"{value['largest']:.0f}", f"{value['equal']:.1%}"] for what, value in parity.items()])


def full_bar(what: str) -> float:
    return FULL_BARS["fp16" if "fp16" in what else "fp32"]


def full_table(full: dict) -> list:
    rows = [[what, f"{value['rms']:.1e}", f"{value['largest']:.1e}", f"{full_bar(what):.0e}{verdict(value['rms'] <= full_bar(what))}"] for what, value in full.items() if what != "whole"]
    lines = table(["at full size, one call on noise", "root mean square of the difference", "largest", "bar of the first"], rows)
    if whole := full.get("whole"):
        lines += ["", f"At full size a whole command of 16 frames and 2 steps in fp16 against fp32: frames {whole['psnr_db']:.1f} dB, latents {whole['latents_rms']:.1e} (root mean square)."]
    return lines


def digest_sets(results: dict) -> list:
    """Runs that make the same video of the same input: of each the digests of what it made."""
    clips, fleet = results.get("clips", {}), results.get("fleet", {})
    groups = [[clips[name] for name in names if name in clips] for names in (("lcm4", "folder"), ("lcm4_guided", "folder_guided"))] + [list(fleet.values())]
    return [group for group in groups if group and all("digests" in run for run in group)]


def digests_differ(results: dict) -> bool:
    return any(len({digest for run in group for digest in run["digests"]}) > 1 for group in digest_sets(results))


def digest_line(results: dict) -> str:
    videos = sum(run["videos"] for group in digest_sets(results) for run in group)
    end = "NOT all of these are equal" if digests_differ(results) else "each time byte-identical"
    return f"Clips that decode alike, made again and again in one mode, in folders and (the fleet's) on other GPUs, {videos} videos: {end}."


def test_line(tests: dict) -> str:
    passed = sum(value["passed"] for value in tests.values())
    failed = sum(len(value["failed"]) for value in tests.values())
    return f"Comparisons with the original's tensors in fp32 on the GPU with the CPU's bounds (docs/parity.md), and of our kernels with float64: {passed} pass, {failed} fail."


def as_expected(what: str, fault: dict) -> bool:
    """Too little memory: an error after the models were given up, and after a fresh process. A failed assertion: the next process makes the video."""
    if what == "out of memory":
        return fault["code"] == 1 and fault["processes"] == 2 and fault["loads"] == 3
    return fault["code"] == 0 and fault["processes"] == 2 and fault["attempt"] == 2


def fault_line(what: str, fault: dict) -> str:
    end = {"out of memory": "its models are given up and loaded again, then a fresh process tries, then the error names the remedy",
           "a kernel's assertion": "the worker ends, its lease goes back, the next process makes the video with the second attempt"}[what]
    return f"{FAULTS[what]}: {end if as_expected(what, fault) else 'NOT as expected'} (exit code {fault['code']}, {fault['processes']} processes, {fault['seconds']:.0f} s)"


def failures(results: dict) -> list:
    """What did not work, in words. A missed target of speed is none."""
    failed = [name.removesuffix("_failed") for name in results if name.endswith("_failed")]
    failed += [name for name, value in results.get("tests", {}).items() if value["code"] != 0]
    failed += [what for what, fault in results.get("faults", {}).items() if not as_expected(what, fault)]
    failed += [what for what, value in results.get("parity", {}).items() if "shipped pack: gpu fp16" in what and value["psnr_db"] < PSNR_BAR]
    failed += [what for what, value in results.get("full", {}).items() if what != "whole" and value["rms"] > full_bar(what)]
    failed += ["the original's frames are finite" for run in results.get("original", []) if not run["finite"]]
    failed += ["the same bytes each time"] if digests_differ(results) else []
    sampling = results.get("profile", {}).get("sampling", {})
    failed += ["no copy to the host while sampling"] if sampling.get("copies_to_host", 0) > 1 else []
    return failed


# ---- the profile

def profile_lines(profile: dict) -> list:
    titles = {name: CALL_NAMES[name] for name in ("unet_guided_tile", "vae_decode_chunk")} | {"dwpose_batch": "DWPose, a batch of frames"}
    lines = gpu_profile.profile_table(profile, titles)
    for model, title in titles.items():
        if model in profile:
            largest = "; ".join(f"`{name}` {value['ms']:.1f} ms in {value['calls']}" for name, value in list(profile[model]["kernels"].items())[:SHOWN_KERNELS])
            lines += ["" if model == "unet_guided_tile" else None, f"- Most of {title}: {largest}."]
    if sampling := profile.get("sampling"):
        lines += ["", f"Copies from the GPU to the host in a whole sampling of two steps: {sampling['copies_to_host']} (the latents at the end)."]
    return [line for line in lines if line is not None]


def speed_lines(results: dict) -> list:
    clips, modules, original = results.get("clips", {}), results.get("modules", {}), results.get("original", [])
    lines = ["", *modules_table(modules, results.get("alone", {}))] if modules else []
    if any(mode in clips for mode in MODE_NAMES):
        lines += ["", *clips_table(clips, modules)]
        memory = next((clips[mode]["memory"] for mode in MODE_NAMES if mode in clips), [])
        lines += ["", "Memory: " + "; ".join(memory) + "."] if memory else []
        lines += ["", f"Models are in memory {clips['first']['stages'].get('load', 0):.1f} s after a worker's start."] if "first" in clips else []
        lines += ["", *folders] if (folders := folders_table(clips, original, modules)) else []
    if len(original) > 1:
        lines += ["", "The original is UniSignMimicTurbo's pipeline with diffusers, fp16, on the same models, each run after one to warm up. It loads its models for every video, a folder's too, and cannot "
                  "leave guidance out; its pose stage and MP4 writer are not in its figures, ours are in the whole command. A call of its models is its stage divided by the calls in it.", "", *original_table(original, clips)]
    lines += ["", fleet_line(results["fleet"])] if "fleet" in results else []
    return lines


def correctness_lines(results: dict) -> list:
    lines = []
    for part, section in (("parity", parity_table), ("full", full_table)):
        lines += ["", *section(results[part])] if part in results else []
    lines += ["", digest_line(results)] if digest_sets(results) else []
    lines += ["", test_line(results["tests"])] if "tests" in results else []
    if "faults" in results:
        lines += ["", "Faults: " + "; ".join(fault_line(what, fault) for what, fault in results["faults"].items()) + "."]
    return lines


def body(results: dict) -> list:
    """What was asked for and by whom it was measured first, then each part."""
    lines = acceptance_table(results)
    lines += ["", roofline_line()] if has_bars(results) else []
    lines += ["", peers_line(results["peers"])] if results.get("peers") else []
    lines += ["", *run_lines(results.get("machines", {})), *speed_lines(results), *correctness_lines(results)]
    lines += ["", *profile_lines(results["profile"])] if "profile" in results else []
    lines += ["", *gpu_kernels.kernels_table(results["kernels"], has_bars(results, "kernels"))] if results.get("kernels") else []
    if failed := failures(results):
        lines += ["", f"**FAILED: {', '.join(failed)}.**"]
    return lines


def markdown(results: dict, others: list | None = None) -> str:
    """`others`: figures of other machines, each with a section of its own."""
    machine = next(iter(results.get("machines", {}).values()), None)
    where = f"On {gpu_name(machine)}, {machine.get('setting', '').split(',')[0]}: models" if machine else "Models"
    lines = [f"{where} with random weights (`tools/bench/full_size_models`), fp16, 72 frames with the reference's, tiles of 16 that share 6, a warm worker, no feature cache; each figure of ours "
             "measured once.", "", *body(results)]
    for other in others or []:
        machine = next(iter(other["machines"].values()))
        lines += ["", f"### On {gpu_name(machine)}", "", *body(other)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


BEGIN, END = "<!-- of ./dev bench gpu: begin -->", "<!-- of ./dev bench gpu: end -->"


def put_into(path, report: str) -> None:
    """Replaces what stands between the two marks."""
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{report}{END}{after}")
