"""The first table of the GPU's report: each kind of work with its bar, its aim, its roofline, and what others take for it."""
import dataclasses
from typing import Callable

import model_configs
import roofline
from gpu_figures import CHUNKS, TILES, against_original, further_clip, milliseconds, original_calls, original_clip, outside_all
from table import table

# Bars and aims hold on this GPU for this setting; of others the figures are shown alone.
GPU, SETTING = "H200", "576x1024, models of full size from a seed"
CALL_NAMES = {"unet_guided_tile": "UNet, both passes of a tile of 16 frames", "unet_tile": "UNet, one pass of a tile of 16 frames", "vae_decode_chunk": "VAE decode, a chunk of 8 frames"}
NOT_MEASURED = "not measured"


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    part: str  # of the benchmark, that measures it
    measured: Callable  # of the results
    bar: float
    aim: float | None = None
    at_least: bool = False
    decimals: int = 1
    call: str | None = None  # as bench/models_bench names it
    clip: tuple | None = None  # the UNet's call, steps
    original: Callable = lambda results: None

    def text(self, value: float | None) -> str:
        return "" if value is None else f"{value:.{self.decimals}f}"

    def limit(self, value: float | None) -> str:
        return "" if value is None else f"{'≥' if self.at_least else '≤'} {value:g}"

    def missed(self, value: float) -> bool:
        return value < self.bar if self.at_least else value > self.bar


def of_call(name: str, bar: float, aim: float) -> Work:
    return Work(f"{CALL_NAMES[name]}, ms", "modules", lambda results: milliseconds(results.get("modules", {}), name), bar, aim, call=name,
                original=lambda results: original_calls(results.get("original", [])).get(name))


def of_clip(name: str, mode: str, clip: tuple, bar: float, aim: float, originals: str | None = None) -> Work:
    return Work(f"{name}, s", "clips", lambda results: results.get("clips", {}).get(mode, {}).get("whole"), bar, aim, decimals=2, clip=clip,
                original=lambda results: original_clip(results.get("original", []), originals)[0])


def of_folder(name: str, folder: str, mode: str, clip: tuple, bar: float, aim: float, originals: str | None = None) -> Work:
    def measured(results: dict) -> float | None:
        clips = results.get("clips", {})
        return further_clip(clips[folder], clips.get(mode))[0] if folder in clips else None

    return Work(f"{name}, s", "clips", measured, bar, aim, decimals=2, clip=clip, original=lambda results: original_clip(results.get("original", []), originals)[0])


def of_ratio(name: str, without_loading: bool, bar: float) -> Work:
    return Work(name, "original", lambda results: against_original(results.get("clips", {}).get("folder_guided"), results.get("original", []))[without_loading], bar, at_least=True)


def outside_seconds(results: dict) -> float | None:
    run = results.get("clips", {}).get("lcm4")
    share = outside_all(run, results.get("modules", {})) if run else None
    return None if share is None else share * run["whole"]


GUIDED, ALONE = "unet_guided_tile", "unet_tile"
WORKS = (of_call(GUIDED, 210, 192), of_call(ALONE, 108, 98), of_call("vae_decode_chunk", 122, 113),
         Work("DWPose, a frame, in batches (TensorFloat-32), ms", "modules", lambda results: milliseconds(results.get("modules", {}), "dwpose_batch"), 1.3, 1.0, decimals=2),
         of_clip("a clip, 25 steps Euler with guidance", "euler25", (GUIDED, 25), 39.5, 36, originals="euler25"),
         of_clip("a clip, 4 steps LCM with guidance", "lcm4_guided", (GUIDED, 4), 8.0, 7.0, originals="lcm4"),
         of_clip("a clip, 4 steps LCM without", "lcm4", (ALONE, 4), 4.9, 4.3),
         Work("of the last, outside the models, s", "clips", outside_seconds, 0.4, 0.25, decimals=2),
         of_folder("a further clip of a folder, 4 steps LCM with guidance", "folder_guided", "lcm4_guided", (GUIDED, 4), 7.5, 6.8, originals="lcm4"),
         of_folder("a further clip of a folder, 4 steps LCM without", "folder", "lcm4", (ALONE, 4), 4.5, 4.0),
         of_ratio("times the original's throughput, a folder, guidance on both sides", False, 4.8),
         of_ratio("… without the time in which the original loads its models", True, 2.9))


def has_bars(results: dict, part: str | None = None) -> bool:
    """Whether bars hold for what measured this part, or any part."""
    machines = results.get("machines", {})
    chosen = list(machines.values()) if part is None else [machines[part]] if part in machines else []
    return any(machine["gpus"] and GPU in machine["gpus"][0] and machine.get("setting") == SETTING for machine in chosen)


def rooflines() -> dict:
    """Milliseconds of each call on that GPU."""
    return {name: roofline.total(layers)["ms"] for name, layers in roofline.calls(model_configs.UNET, model_configs.VAE, 576, 1024).items()}


def roofline_of(work: Work, calls: dict) -> float | None:
    if work.clip:
        call, steps = work.clip
        return (steps * TILES * calls[call] + CHUNKS * calls["vae_decode_chunk"]) / 1000
    return calls.get(work.call)


def peer(results: dict, call: str | None, mode: str) -> str:
    figure = results.get("peers", {}).get(call, {}).get(mode, {})
    return f"{figure['ms']:.1f}" if "ms" in figure else "failed" if figure else ""


def acceptance_table(results: dict) -> list:
    """Where no bars hold, without them and the roofline; a column without any figure is left out."""
    barred = has_bars(results)
    calls = rooflines() if barred else {}
    rows = []
    for work in WORKS:
        value = work.measured(results)
        if value is None and not barred:
            continue
        bar, aim = "", ""
        if barred and (value is None or has_bars(results, work.part)):
            bar, aim = work.limit(work.bar) + (", MISSED" if value is not None and work.missed(value) else ""), work.limit(work.aim)
        rows.append([work.name, NOT_MEASURED if value is None else work.text(value), bar, aim, work.text(roofline_of(work, calls)) if barred else "", work.text(work.original(results)),
                     peer(results, work.call, "eager"), peer(results, work.call, "compile")])
    head = ["work", "measured", "bar", "aim", "roofline", "original", "diffusers, eager", "diffusers, torch.compile"]
    shown = [column for column in range(len(head)) if column < 2 or any(row[column] for row in rows)]
    return table([head[column] for column in shown], [[row[column] for column in shown] for row in rows]) if rows else []


def roofline_line() -> str:
    layers = roofline.calls(model_configs.UNET, model_configs.VAE, 576, 1024)
    sums = "; ".join("{} {tflop:.1f} TFLOP, {gb:.0f} GB".format(CALL_NAMES[name].split(" of ")[0], **roofline.total(its_layers)) for name, its_layers in layers.items())
    rates = roofline.H200
    return (f"Roofline (computed, `tools/bench/roofline.py`): {sums}; at {rates.matrix_flop / 1e12:.0f} TFLOP/s, {rates.attention_flop / 1e12:.0f} in attention among a picture's positions, and "
            f"{rates.memory_bytes / 1e12:.1f} TB/s, layer by layer. A clip's: {TILES} tiles a step and {CHUNKS} chunks, nothing else.")


def peers_line(peers: dict) -> str:
    """What it was and how it spread."""
    said = []
    for call, modes in peers.items():
        for mode, figure in modes.items():
            if "ms" in figure:
                compiled = f", {figure['first_s']:.0f} s for the first call" + (f", {figure['difference']:.0e} from eager" if "difference" in figure else "") if mode == "compile" else ""
                said.append(f"{CALL_NAMES[call]}, {'torch.compile' if mode == 'compile' else mode}: {figure['least']:.1f} to {figure['most']:.1f} ms{compiled}")
            else:
                said.append(f"{CALL_NAMES[call]}, {mode}: {figure['failed']}")
    versions = sorted({f"diffusers {figure['versions']['diffusers']} with torch {figure['versions']['torch']}" for modes in peers.values() for figure in modes.values()})
    return f"{', '.join(versions)}: its UNet and VAE decoder alone, medians; with channels-last weights where compiled. {'; '.join(said)}."
