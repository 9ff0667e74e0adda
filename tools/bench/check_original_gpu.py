"""Gives the original's UNet and VAE decoder what bench/models_bench gave ours (MIMICFLEET_BENCH_OUTPUTS) and compares what they make of it.
Prints one JSON object: for each model and precision the relative difference of the root mean squares.

  check_original_gpu.py --original DIR --models DIR --outputs DIR [--device cuda]

OUTPUTS/fp32 and OUTPUTS/fp16 hold what ours made; docs/benchmarks.md says which packages the original needs."""
import argparse
import json
import pathlib
import sys

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--original", type=pathlib.Path, required=True)
parser.add_argument("--models", type=pathlib.Path, required=True)
parser.add_argument("--outputs", type=pathlib.Path, required=True)
parser.add_argument("--device", default="cuda")
args = parser.parse_args()
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import original_pipeline

original_pipeline.set_up(args.original, args.device, half=False)

import safetensors.torch
import torch

torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def unet(pipeline, given: dict, dtype) -> torch.Tensor:
    inputs = {name: tensor.to(args.device, dtype) for name, tensor in given.items()}
    return pipeline.unet(inputs["sample"], given["timestep"][0].item(), inputs["context"], inputs["time_ids"], pose_latents=inputs["pose_features"], return_dict=False)[0]


def vae(pipeline, given: dict, dtype) -> torch.Tensor:
    latents = given["latents"].to(args.device, dtype) / pipeline.vae.config.scaling_factor
    return pipeline.vae.decode(latents, num_frames=len(latents)).sample


@torch.no_grad()
def main() -> None:
    pipeline = original_pipeline.create(args.models, args.device)
    differences = {}
    for precision, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        if not (args.outputs / precision).is_dir():
            continue
        for name, model, run in (("unet_tile", pipeline.unet, unet), ("vae_decode_chunk", pipeline.vae, vae)):
            kept = safetensors.torch.load_file(args.outputs / precision / f"{name}.safetensors")
            model.to(args.device, dtype)
            torch.backends.cudnn.enabled = dtype != torch.float32  # as worker/device/device.cpp says
            theirs = run(pipeline, kept, dtype).float().cpu()
            ours = kept["output"].reshape(theirs.shape)
            differences[f"{name} {precision}"] = {"rms": float((ours - theirs).square().mean().sqrt() / theirs.square().mean().sqrt()),
                                                  "largest": float((ours - theirs).abs().max() / theirs.abs().max())}
            model.to("cpu")
    print(json.dumps(differences))


main()
