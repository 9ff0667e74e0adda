"""Sizes of the pack's networks, as the files' config.json have them, and the pack's defaults.yaml."""

UNET = {
    "block_out_channels": [64, 64, 96, 128], "num_attention_heads": [2, 2, 3, 4], "layers_per_block": 1,
    "cross_attention_dim": 64, "addition_time_embed_dim": 64, "projection_class_embeddings_input_dim": 192,
    "in_channels": 8, "out_channels": 4, "num_frames": 25, "sample_size": 24, "transformer_layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * 3 + ["DownBlockSpatioTemporal"],
    "up_block_types": ["UpBlockSpatioTemporal"] + ["CrossAttnUpBlockSpatioTemporal"] * 3,
}
VAE = {
    "block_out_channels": [32, 64, 64, 64], "layers_per_block": 1, "latent_channels": 4, "in_channels": 3, "out_channels": 3,
    "scaling_factor": 0.18215, "force_upcast": True, "sample_size": 192, "down_block_types": ["DownEncoderBlock2D"] * 4,
}
CLIP = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4, "patch_size": 28,
    "image_size": 224, "projection_dim": 64, "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-5,
}
LORA_RANK = 16
LORA_FILE = "puppet_lcm.safetensors"
FRAMES = 25  # of a training clip: the reference and 24 more; also the pack's tile

DEFAULTS = {  # keys as the programs' parameters are called
    "resolution": "128x192", "steps": 25, "guidance_scale": 1.0, "noise_aug_strength": 0.0, "tile_frames": FRAMES,
    "tile_overlap": 6, "sample_stride": 1, "motion_fps": 7, "fps": 15, "decode_chunk_size": 8, "pose_canvas": 512,
    "notice": "toy models that know drawn characters only; for people give --models a folder with MimicMotion's",
}
