"""The section "GPU" of docs/benchmarks.md, out of the figures of tools/bench/gpu."""
from table import outside_models

TARGETS_MS = {"unet_guided_tile": ("UNet, both passes of a tile of 16 frames", 360), "unet_tile": ("UNet, one pass of a tile of 16 frames", None),
              "vae_decode_chunk": ("VAE decode, a chunk of 8 frames", 250), "vae_encode": ("VAE encode, one image", None), "clip_embedding": ("CLIP", None),
              "pose_net_tile": ("PoseNet, 16 frames", None), "dwpose_batch": ("DWPose, a frame, batched", 4)}
MODE_NAMES = {"euler25": "25 steps Euler, guidance", "lcm4_guided": "4 steps LCM, guidance", "lcm4": "4 steps LCM, no guidance"}
STAGES = ("preprocess", "draw", "clip", "vae_encode", "pose_net", "denoise", "vae_decode", "mux")


def machine_line(machine: dict) -> str:
    gpus = machine["gpus"]
    return f"{len(gpus)} × {gpus[0]}" if len(gpus) > 1 else (gpus[0] if gpus else "no GPU")


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


def clips_table(clips: dict, original: list) -> list:
    modes = [mode for mode in MODE_NAMES if mode in clips]
    lines = ["| seconds, one clip | " + " | ".join(MODE_NAMES[mode] for mode in modes) + " |", "|---|" + "---|" * len(modes)]
    for stage in STAGES:
        lines.append(f"| {stage} | " + " | ".join(f"{clips[mode]['stages'].get(stage, 0.0):.2f}" for mode in modes) + " |")
    lines.append("| **whole command** | " + " | ".join(f"**{clips[mode]['whole']:.2f}**" for mode in modes) + " |")
    lines.append("| outside the models (target 2 %) | " + " | ".join(f"{outside_models(clips[mode]):.1%}" for mode in modes) + " |")
    return lines


def original_table(original: list, clips: dict) -> list:
    ours_of = {"euler25": "euler25", "lcm4": "lcm4_guided"}  # its scripts always have guidance
    lines = ["| seconds, one clip | load | CLIP, VAE encode | denoise | VAE decode | all | mimicfleet, the same stages | ratio |", "|---|---|---|---|---|---|---|---|"]
    for run in original:
        stages = run["stages"]
        ours = clips.get(ours_of.get(run["mode"], ""))
        same = sum(ours["stages"].get(stage, 0.0) for stage in ("clip", "vae_encode", "pose_net", "denoise", "vae_decode")) if ours else None
        lines.append(f"| {run['mode']} | {stages['load']:.1f} | {stages['clip'] + stages['vae_encode']:.2f} | {stages['denoise']:.1f} | {stages['vae_decode']:.1f} | {run['whole']:.1f} | "
                     f"{'' if same is None else format(same, '.1f')} | {'' if same is None else format(run['whole'] / same, '.1f')} |")
    folder = clips.get("folder")
    lcm = [run for run in original if run["mode"] == "lcm4"]
    if folder and lcm:
        theirs = lcm[-1]["whole"]
        ours = folder["whole"] / folder["videos"]
        lines += ["", f"A folder in LCM mode, seconds a clip: mimicfleet {ours:.1f} (whole command, {folder['videos']} clips, no guidance), the original {theirs:.1f} (with guidance, which it cannot "
                      f"leave out; without its pose stage and MP4 writer): {theirs / ours:.1f} times the throughput (target 3)."]
    return lines


def failures(results: dict) -> list:
    """What did not work, in words."""
    parts = [name.removesuffix("_failed") for name in results if name.endswith("_failed")]
    tests = [name for name, value in results.get("tests", {}).items() if value["code"] != 0]
    faults = [what for what, code in (("out of memory", 1), ("a kernel's assertion", 0)) if results.get("faults", {}).get(what, {}).get("code", code) != code]
    return parts + tests + faults


def markdown(results: dict) -> str:
    lines = ["## GPU", f"{machine_line(results['machine'])}; {results['machine']['cpu']}, {results['machine']['cores']} cores. Models of full size with random weights "
             "(`tools/bench/full_size_models`), fp16, 576x1024, 72 frames, tiles of 16 that share 6, warm worker; `./dev bench gpu`."] if "machine" in results else ["## GPU"]
    clips = results.get("clips", {})
    if "modules" in results:
        lines += ["", *modules_table(results["modules"], results.get("alone", {}))]
    if any(mode in clips for mode in MODE_NAMES):
        lines += ["", *clips_table(clips, results.get("original", []))]
        memory = next((clips[mode]["memory"] for mode in MODE_NAMES if mode in clips), [])
        lines += ["", "Memory: " + "; ".join(memory) + "."]
    if "folder" in clips:
        folder = clips["folder"]
        lines += ["", f"A folder of {folder['videos']} clips, 4 steps LCM without guidance: {folder['whole']:.1f} s, {3600 * folder['videos'] / folder['whole']:.0f} videos an hour."]
    if results.get("original"):
        lines += ["", "### Against the original", *original_table(results["original"], clips)]
    if "parity" in results:
        lines += ["", "| whole command | latents, of the largest | PSNR of frames, dB | equal pixels |", "|---|---|---|---|"]
        lines += [f"| {what} | {value['latents']:.1e} | {value['psnr_db']:.1f} | {value['equal']:.1%} |" for what, value in results["parity"].items()]
    if "tests" in results:
        lines += ["", "Comparisons with the original's tensors in fp32 on the GPU: " + "; ".join(f"{name} {value['passed']} passed, {len(value['failed'])} failed" for name, value in results["tests"].items()) + "."]
    if "faults" in results:
        lines += ["", "Faults: " + "; ".join(f"{what}: exit code {value['code']} after {value['processes']} processes in {value['seconds']:.0f} s" for what, value in results["faults"].items()) + "."]
    if "fleet" in results:
        fleet = results["fleet"]
        lines += ["", "Eight clips, 4 steps LCM without guidance: " + "; ".join(f"{count} GPU(s) {run['whole']:.1f} s" for count, run in fleet.items())
                  + (f"; {fleet['1']['whole'] / list(fleet.values())[-1]['whole']:.2f} times." if "1" in fleet and len(fleet) > 1 else ".")]
    if failed := failures(results):
        lines += ["", f"**FAILED: {', '.join(failed)}.**"]
    return "\n".join(lines) + "\n"
