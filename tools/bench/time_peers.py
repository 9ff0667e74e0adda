#!/usr/bin/env python3
"""Times what one would otherwise run: the UNet and the VAE's decoder of diffusers as it is installed, as they come (eager) and through
torch.compile, with the real models' configurations, random weights and noise, fp16 on a GPU. One JSON line for each figure as it is known.

  time_peers.py --calls unet_guided_tile:eager,vae_decode_chunk:compile --seconds 300

Compiled models get channels-last weights, which is faster there and slower as they come. A compilation takes about two minutes for the
UNet and one for the VAE; what cannot end in the seconds left is not begun. One that fails leaves the others."""
import argparse
import gc
import json
import pathlib
import statistics
import sys
import time

START = time.monotonic()
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import diffusers
import torch

import model_configs

CALLS = ("unet_guided_tile", "unet_tile", "vae_decode_chunk")  # as bench/models_bench names them
MODES = ("eager", "compile")
# A generous guess of what each needs on a GPU.
NEEDED_SECONDS = {("unet", "eager"): 25, ("vae", "eager"): 20, ("unet", "compile"): 190, ("vae", "compile"): 80}
WARM_UP_CALLS, TIMED_CALLS = 2, 7


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", required=True, metavar="CALL:MODE,…", help=f"of {', '.join(CALLS)}; {' or '.join(MODES)}")
    parser.add_argument("--models", type=pathlib.Path, metavar="DIR", help="whose configurations count (default: the real models')")
    parser.add_argument("--size", default="576x1024", metavar="WxH")
    parser.add_argument("--tile", type=int, default=16, help="frames of a UNet call")
    parser.add_argument("--chunk", type=int, default=8, help="frames that the VAE decodes at once")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=7200)
    args = parser.parse_args()
    args.calls = [tuple(one.split(":")) for one in args.calls.split(",")]
    wrong = [":".join(one) for one in args.calls if len(one) != 2 or one[0] not in CALLS or one[1] not in MODES]
    if wrong:
        parser.error(f"--calls: {', '.join(wrong)}: each is one of {', '.join(CALLS)}, a colon, and {' or '.join(MODES)}")
    return args


def kind_of(call: str) -> str:
    return call.split("_")[0]


class Peers:
    def __init__(self, args):
        self.args = args
        self.configs = dict(zip(("unet", "vae"), model_configs.read(args.models) if args.models else (model_configs.UNET, model_configs.VAE)))
        self.dtype = torch.float32 if args.device == "cpu" else torch.float16
        width, height = (int(side) for side in args.size.split("x"))
        scale = 2 ** (len(self.configs["vae"]["block_out_channels"]) - 1)
        self.height, self.width = height // scale, width // scale
        self.model, self.model_is = None, None
        self.eager_outputs = {}

    def make(self, kind: str, mode: str):
        """One model at a time is in memory, the same numbers each time."""
        if self.model_is == (kind, mode):
            return self.model
        self.model = None
        gc.collect()
        torch.manual_seed(0)
        torch.set_default_dtype(self.dtype)
        with torch.device(self.args.device):
            if kind == "unet":
                model = diffusers.UNetSpatioTemporalConditionModel.from_config(self.configs["unet"])
            else:
                model = diffusers.AutoencoderKLTemporalDecoder.from_config(self.configs["vae"]).decoder
        torch.set_default_dtype(torch.float32)
        model.to(self.args.device, self.dtype).eval().requires_grad_(False)
        if mode == "compile":
            torch._dynamo.reset()
            for parameter in model.parameters():  # .to(memory_format=...) refuses a model with convolutions over time
                if parameter.dim() in (4, 5):
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last if parameter.dim() == 4 else torch.channels_last_3d)
            model = torch.compile(model)
        self.model, self.model_is = model, (kind, mode)
        return model

    def inputs(self, call: str) -> dict:
        generator = torch.Generator(self.args.device).manual_seed(1)

        def noise(*shape):
            return torch.randn(shape, generator=generator, device=self.args.device, dtype=self.dtype)

        if call == "vae_decode_chunk":
            frames = self.args.chunk
            return {"sample": noise(frames, self.configs["vae"]["latent_channels"], self.height, self.width),
                    "image_only_indicator": torch.zeros(1, frames, dtype=self.dtype, device=self.args.device), "num_frames": frames}
        batch = 2 if call == "unet_guided_tile" else 1
        return {"sample": noise(batch, self.args.tile, self.configs["unet"]["in_channels"], self.height, self.width), "timestep": torch.tensor(1.5, device=self.args.device),
                "encoder_hidden_states": noise(batch, 1, self.configs["unet"]["cross_attention_dim"]),
                "added_time_ids": torch.tensor([[6.0, 127.0, 0.02]] * batch, dtype=self.dtype, device=self.args.device), "return_dict": False}

    def synchronize(self) -> None:
        if self.args.device != "cpu":
            torch.cuda.synchronize()

    @torch.no_grad()
    def measure(self, call: str, mode: str) -> dict:
        model, inputs = self.make(kind_of(call), mode), self.inputs(call)

        def seconds() -> float:
            self.synchronize()
            begin = time.perf_counter()
            model(**inputs)
            self.synchronize()
            return time.perf_counter() - begin

        self.synchronize()
        begin = time.perf_counter()
        output = model(**inputs)
        self.synchronize()
        first = time.perf_counter() - begin  # with the compilation
        output = (output[0] if isinstance(output, tuple) else output).float().cpu()
        figures = {"first_s": first, "finite": bool(output.isfinite().all())}
        if mode == "eager":
            self.eager_outputs[call] = output
        elif call in self.eager_outputs:
            eager = self.eager_outputs[call]
            figures["difference"] = float((output - eager).square().mean().sqrt() / eager.square().mean().sqrt())
        for _ in range(WARM_UP_CALLS):
            seconds()
        times = [1e3 * seconds() for _ in range(TIMED_CALLS)]
        if self.args.device != "cpu":
            figures["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
        return figures | {"ms": statistics.median(times), "least": min(times), "most": max(times), "calls": len(times)}

    def run(self, call: str, mode: str) -> dict:
        left = self.args.seconds - (time.monotonic() - START)
        if self.args.device != "cpu" and left < NEEDED_SECONDS[kind_of(call), mode]:
            return {"left_out": f"{left:.0f} s are left"}
        try:
            return self.measure(call, mode)
        except Exception as error:  # whatever a library throws: the other calls are worth having
            return {"failed": f"{type(error).__name__}: {str(error)[:500]}"}


def main() -> None:
    args = parse()
    peers = Peers(args)
    versions = {"diffusers": diffusers.__version__, "torch": torch.__version__}
    for call, mode in args.calls:
        print(json.dumps({"call": call, "mode": mode, **peers.run(call, mode), "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
