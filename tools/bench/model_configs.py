"""Configurations of the real models, as their folders have them: of SVD-XT 1.1, which MimicMotion keeps."""
import json
import pathlib

UNET = {"_class_name": "UNetSpatioTemporalConditionModel", "_diffusers_version": "0.24.0.dev0", "addition_time_embed_dim": 256,
        "block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 1024, "in_channels": 8, "layers_per_block": 2, "num_attention_heads": [5, 10, 20, 20],
        "num_frames": 25, "out_channels": 4, "projection_class_embeddings_input_dim": 768, "sample_size": 96, "transformer_layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * 3 + ["DownBlockSpatioTemporal"],
        "up_block_types": ["UpBlockSpatioTemporal"] + ["CrossAttnUpBlockSpatioTemporal"] * 3}
VAE = {"_class_name": "AutoencoderKLTemporalDecoder", "_diffusers_version": "0.24.0.dev0", "block_out_channels": [128, 256, 512, 512], "force_upcast": True,
       "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "out_channels": 3, "sample_size": 768, "scaling_factor": 0.18215,
       "down_block_types": ["DownEncoderBlock2D"] * 4}
CLIP = {"architectures": ["CLIPVisionModelWithProjection"], "attention_dropout": 0.0, "dropout": 0.0, "hidden_act": "gelu", "hidden_size": 1280, "image_size": 224,
        "initializer_factor": 1.0, "initializer_range": 0.02, "intermediate_size": 5120, "layer_norm_eps": 1e-05, "model_type": "clip_vision_model",
        "num_attention_heads": 16, "num_channels": 3, "num_hidden_layers": 32, "patch_size": 14, "projection_dim": 1024, "torch_dtype": "float16"}


def read(models: pathlib.Path) -> tuple[dict, dict]:
    """The UNet's and the VAE's of a model folder."""
    unet = next(models.glob("*/unet/config.json"))
    return json.loads(unet.read_text()), json.loads((unet.parents[1] / "vae/config.json").read_text())
