"""CLIPVisionModelWithProjection of transformers 4.39 (a small ViT), and its input as diffusers' SVD pipeline makes it."""
import torch
import torch.nn.functional as F
from torch import nn

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim, patch = config["hidden_size"], config["patch_size"]
        self.class_embedding = nn.Parameter(torch.randn(dim) * 0.02)
        self.patch_embedding = nn.Conv2d(3, dim, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding((config["image_size"] // patch) ** 2 + 1, dim)

    def forward(self, x):
        x = self.patch_embedding(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(x.shape[0], 1, -1).to(x.dtype), x], dim=1)
        return x + self.position_embedding.weight


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x):
        n, tokens, c = x.shape
        q, k, v = (f(x).reshape(n, tokens, self.heads, c // self.heads).transpose(1, 2)
                   for f in (self.q_proj, self.k_proj, self.v_proj))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(y.transpose(1, 2).reshape(n, tokens, c))


class Mlp(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, inner), nn.Linear(inner, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim = config["hidden_size"]
        self.self_attn = SelfAttention(dim, config["num_attention_heads"])
        self.layer_norm1 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, config["intermediate_size"])
        self.layer_norm2 = nn.LayerNorm(dim)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Layers(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.ModuleList([Layer(config) for _ in range(config["num_hidden_layers"])])


class VisionTransformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim = config["hidden_size"]
        self.embeddings = Embeddings(config)
        self.pre_layrnorm = nn.LayerNorm(dim)
        self.encoder = Layers(config)
        self.post_layernorm = nn.LayerNorm(dim)

    def forward(self, x):
        x = self.pre_layrnorm(self.embeddings(x))
        for layer in self.encoder.layers:
            x = layer(x)
        return self.post_layernorm(x[:, 0])


class ClipVision(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.vision_model = VisionTransformer(config)
        self.visual_projection = nn.Linear(config["hidden_size"], config["projection_dim"], bias=False)

    def forward(self, pixels):
        """[N, 3, 224, 224] as `clip_pixels` returns -> [N, projection_dim]."""
        return self.visual_projection(self.vision_model(pixels))


def blur_kernel(size, target):
    """diffusers' _resize_with_antialiasing: a Gaussian for a shrink from `size` to `target`."""
    sigma = max((size / target - 1.0) / 2.0, 0.001)
    taps = int(max(2.0 * 2 * sigma, 3))
    taps += taps % 2 == 0
    x = torch.arange(taps, dtype=torch.float32) - taps // 2
    kernel = torch.exp(-x ** 2 / (2 * sigma ** 2))
    return kernel / kernel.sum()


def clip_pixels(images, size=224):
    """[N, 3, H, W] in [-1, 1] -> the encoder's input [N, 3, 224, 224]."""
    c = images.shape[1]
    for dim, length in ((3, images.shape[3]), (2, images.shape[2])):
        kernel = blur_kernel(length, size).to(images)
        pad = len(kernel) // 2
        shape = (1, 1, 1, -1) if dim == 3 else (1, 1, -1, 1)
        padded = F.pad(images, (pad, pad, 0, 0) if dim == 3 else (0, 0, pad, pad), mode="reflect")
        images = F.conv2d(padded, kernel.reshape(shape).expand(c, -1, -1, -1), groups=c)
    images = F.interpolate(images, size=(size, size), mode="bicubic", align_corners=True)
    mean, std = (torch.tensor(v).to(images).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return ((images + 1) / 2 - mean) / std
