"""Writes the model folder in the users' layout: SVD folder, MimicMotion's file, DWPose, the LoRA, defaults.yaml."""
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from . import config
from .models.clip import MEAN, STD
from .models.pose_nets import export_onnx

ONNX = {"detector": "yolox_l.onnx", "simcc": "dw-ll_ucoco_384.onnx"}
FOREVER = 10 ** 9  # seconds that no plan reaches
VERSION = {"_diffusers_version": "0.24.0.dev0"}
SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler", **VERSION, "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
    "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000, "prediction_type": "v_prediction",
    "set_alpha_to_one": False, "sigma_max": 700.0, "sigma_min": 0.002, "skip_prk_steps": True, "steps_offset": 1,
    "timestep_spacing": "leading", "timestep_type": "continuous", "trained_betas": None, "use_karras_sigmas": True,
}
FEATURES = {
    "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
    "do_rescale": True, "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": list(MEAN),
    "image_processor_type": "CLIPImageProcessor", "image_std": list(STD), "resample": 3, "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 224},
}
INDEX = {
    "_class_name": "StableVideoDiffusionPipeline", **VERSION, "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"], "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "unet": ["diffusers", "UNetSpatioTemporalConditionModel"], "vae": ["diffusers", "AutoencoderKLTemporalDecoder"],
}


def half(module_or_state):
    state = module_or_state if isinstance(module_or_state, dict) else module_or_state.state_dict()
    return {k: v.detach().half().cpu().contiguous().clone() for k, v in state.items()}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def export_pack(out, work, vae=None, clip=None, model=None, lora=None):
    """What is None is left as it is. The pose nets come from the work folder's ONNX files."""
    out, work = Path(out), Path(work)
    svd = out / "svd"
    write_json(svd / "model_index.json", INDEX)
    write_json(svd / "scheduler" / "scheduler_config.json", SCHEDULER)
    write_json(svd / "feature_extractor" / "preprocessor_config.json", FEATURES)
    write_json(svd / "unet" / "config.json", {"_class_name": "UNetSpatioTemporalConditionModel", **VERSION, **config.UNET})
    write_json(svd / "vae" / "config.json", {"_class_name": "AutoencoderKLTemporalDecoder", **VERSION, **config.VAE})
    write_json(svd / "image_encoder" / "config.json", {"architectures": ["CLIPVisionModelWithProjection"],
                                                       "model_type": "clip_vision_model", "torch_dtype": "float16", **config.CLIP})
    if vae is not None:
        save_file(half(vae), svd / "vae" / "diffusion_pytorch_model.fp16.safetensors", {"format": "pt"})
    if clip is not None:
        save_file(half(clip), svd / "image_encoder" / "model.fp16.safetensors", {"format": "pt"})
    if model is not None:
        torch.save(half(model), out / "MimicMotion_1-1.pth")
    if lora is not None:
        (out / "lcm_lora").mkdir(exist_ok=True)
        save_file(half(lora), out / "lcm_lora" / config.LORA_FILE, {"format": "pt"})
    (out / "DWPose").mkdir(exist_ok=True)
    for name, file in ONNX.items():
        if (work / f"{name}.onnx").exists():
            shutil.copyfile(work / f"{name}.onnx", out / "DWPose" / file)
    (out / "defaults.yaml").write_text("".join(f"{key}: {value}\n" for key, value in config.DEFAULTS.items()))


def write_onnx(net, work, name):
    part = Path(work) / f"{name}.onnx.part"
    export_onnx(net, part)
    part.rename(Path(work) / f"{name}.onnx")


def import_pack(folder, work, again=()):
    """Fills what an empty work folder lacks from a pack: its stages count as done, those in `again` start a new schedule from the
    pack's weights (the LoRA and the pose nets from nothing: their files do not hold what a training needs)."""
    folder, work = Path(folder), Path(work)
    work.mkdir(parents=True, exist_ok=True)

    def keep(name, content):
        done = name not in again
        progress = {"seconds": FOREVER if done else 0.0, "steps": 0, "done": done, "teacher_steps": 0}
        if not (work / f"{name}.pt").exists():
            torch.save({**content, "progress": progress}, work / f"{name}.pt")

    def floats(tensors):
        return {k: v.float() for k, v in tensors.items()}

    vae = floats(load_file(folder / "svd/vae/diffusion_pytorch_model.fp16.safetensors"))
    keep("vae", {"model": vae, **({"frozen_encoder": True} if "vae" in again else {})})
    keep("clip", {"model": floats(load_file(folder / "svd/image_encoder/model.fp16.safetensors"))})
    weights = floats(torch.load(folder / "MimicMotion_1-1.pth", weights_only=True))
    keep("unet", {"model": weights, "average": weights})
    if "lora" not in again and "unet" not in again:
        keep("lora", {"tensors": load_file(folder / "lcm_lora" / config.LORA_FILE)})
    for name, file in ONNX.items():
        if name not in again and not (work / f"{name}.onnx").exists():
            shutil.copyfile(folder / "DWPose" / file, work / f"{name}.onnx")
