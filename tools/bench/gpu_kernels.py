"""Which kernels are best for the shapes of the full models, fp16, on this GPU. Prints ms a call."""
import sys, torch, torch.nn.functional as F
from torch.nn.attention import sdpa_kernel, SDPBackend as B
torch.set_grad_enabled(False); dev = "cuda"; h = torch.float16
def ms(f, n=5):
    try:
        for _ in range(2): f()
        torch.cuda.synchronize(); a, b = torch.cuda.Event(True), torch.cuda.Event(True); a.record()
        for _ in range(n): f()
        b.record(); torch.cuda.synchronize(); return f"{a.elapsed_time(b) / n:.2f}"
    except Exception as e: torch.cuda.empty_cache(); return "X(" + str(e).split("\n")[0][:50] + ")"
def row(name, **kw): print(name.ljust(34), "  ".join(f"{k} {v}" for k, v in kw.items())); sys.stdout.flush()
BACK = {"flash": B.FLASH_ATTENTION, "cudnn": B.CUDNN_ATTENTION, "eff": B.EFFICIENT_ATTENTION, "math": B.MATH}
def att(q, names):
    out = {}
    for n in names:
        with sdpa_kernel(BACK[n]): out[n] = ms(lambda: F.scaled_dot_product_attention(*q))
    return out
print(torch.cuda.get_device_name(0), torch.backends.cudnn.version(), "order", torch._C._get_sdp_priority_order() if hasattr(torch._C, "_get_sdp_priority_order") else "")
for L, H in ((9216, 5), (2304, 10), (576, 20), (144, 20)):
    for N in ((16, 32) if L == 9216 else (32,)):
        q = torch.randn(N, L, 3, H, 64, device=dev, dtype=h).permute(2, 0, 3, 1, 4); row(f"spatial L{L} H{H} N{N}", **att(q, ("flash", "cudnn", "eff")))
    S = 2 * L
    q = torch.randn(2, 16, L, 3, H, 64, device=dev, dtype=h).permute(3, 0, 2, 4, 1, 5).flatten(1, 2); row(f"temporal S{S} H{H}", **att(q, ("flash", "cudnn", "eff", "math")))
q = torch.randn(8, 9216, 3, 1, 512, device=dev, dtype=h).permute(2, 0, 3, 1, 4)
def manual():
    s = torch.bmm(q[0].squeeze(1) * 512 ** -.5, q[1].squeeze(1).transpose(1, 2)); return torch.bmm(s.softmax(-1), q[2].squeeze(1))
row("VAE attention D512 N8", **att(q, ("cudnn", "eff", "math")), bmm=ms(manual)); del q
CL = torch.channels_last
def gn_cl(x, w, b, G=32):  # composite, channels last
    N, C, H, W = x.shape; t = x.permute(0, 2, 3, 1).reshape(N, H * W, G, C // G)
    var, mean = torch.var_mean(t, dim=(1, 3), correction=0); r = torch.rsqrt(var.float() + 1e-5)
    a = r.repeat_interleave(C // G, 1) * w; return torch.addcmul((b - mean.float().repeat_interleave(C // G, 1) * a).to(x.dtype).view(N, C, 1, 1), x, a.to(x.dtype).view(N, C, 1, 1))
for C, N, H, W in ((320, 32, 72, 128), (640, 32, 36, 64), (1280, 32, 18, 32), (512, 8, 72, 128), (512, 8, 288, 512), (256, 8, 576, 1024), (128, 8, 576, 1024)):
    x = torch.randn(N, C, H, W, device=dev, dtype=h).contiguous(memory_format=CL); w = torch.ones(C, device=dev); wh = w.to(h); xc = x.contiguous()
    row(f"norm C{C} N{N} {H}x{W}", native_cl=ms(lambda: F.group_norm(x, 32, wh, wh).contiguous(memory_format=CL)), native_nchw=ms(lambda: F.group_norm(xc, 32, wh, wh)), composite=ms(lambda: gn_cl(x, w, w)),
        silu=ms(lambda: F.silu(x, inplace=True)), copy=ms(lambda: x.clone())); del x, xc
def convs(C, O, N, H, W, k=(3, 3)):
    x = torch.randn(N, C, H, W, device=dev, dtype=h).contiguous(memory_format=CL); w = torch.randn(O, C, *k, device=dev, dtype=h).mul_(.01).contiguous(memory_format=CL); b = torch.zeros(O, device=dev, dtype=h)
    f = lambda: F.conv2d(x, w, b, padding=(k[0] // 2, k[1] // 2)); t = 2e-9 * N * H * W * C * O * k[0] * k[1]; out = {}
    for name, bench in (("heuristic", False), ("benchmark", True)):
        torch.backends.cudnn.benchmark = bench; v = ms(f); out[name] = v + (f"({t / float(v):.0f}TF)" if v[0] != "X" else "")
    torch.backends.cudnn.benchmark = False; xc = x.contiguous(); wc = w.contiguous(); out["nchw"] = ms(lambda: F.conv2d(xc, wc, b, padding=(k[0] // 2, k[1] // 2)))
    row(f"conv {C}->{O} {k} N{N} {H}x{W}", **out)
for a in ((320, 320, 32, 72, 128), (640, 640, 32, 36, 64), (1280, 1280, 32, 18, 32), (2560, 1280, 32, 18, 32), (8, 320, 32, 72, 128), (320, 4, 32, 72, 128), (512, 512, 8, 144, 256), (512, 512, 8, 288, 512), (256, 256, 8, 576, 1024), (128, 128, 8, 576, 1024), (128, 3, 8, 576, 1024)): convs(*a)
for C, B_, S in ((320, 2, 9216), (640, 2, 2304), (512, 1, 9216)): convs(C, C, B_, 16 if C != 512 else 8, S, (3, 1))
for C, S in ((256, 576 * 1024), (128, 576 * 1024)):
    x = torch.randn(1, C, 8, S, device=dev, dtype=h).contiguous(memory_format=CL); w5 = torch.randn(C, C, 3, 1, device=dev, dtype=h).contiguous(memory_format=CL)
    taps = [w5[:, :, i, 0].t().contiguous() for i in range(3)]
    def gemm():  # three products, shifted along time
        t = x.permute(0, 2, 3, 1)[0]; y = torch.matmul(t, taps[1]); y[1:] += torch.matmul(t[:-1], taps[0]); y[:-1] += torch.matmul(t[1:], taps[2]); return y
    row(f"time conv {C} S{S}", conv=ms(lambda: F.conv2d(x, w5, padding=(1, 0))), gemm3=ms(gemm)); del x
for M, K, N in ((294912, 320, 2560), (294912, 1280, 320), (294912, 320, 960), (73728, 640, 5120), (73728, 2560, 640), (18432, 1280, 10240)):
    x = torch.randn(M, K, device=dev, dtype=h); w = torch.randn(N, K, device=dev, dtype=h); b = torch.zeros(N, device=dev, dtype=h); v = ms(lambda: F.linear(x, w, b)); row(f"linear {M}x{K}->{N}", ms=v, tflops=f"{2e-9 * M * K * N / float(v):.0f}" if v[0] != "X" else "")
y = torch.randn(294912, 2560, device=dev, dtype=h); row("geglu 294912x2560", now=ms(lambda: F.gelu(y[:, 1280:]).mul_(y[:, :1280])), layer_norm320=ms(lambda: F.layer_norm(y[:, :320].contiguous(), (320,)))); del y
for name, tf in (("ieee", False), ("tf32", True)):
    torch.backends.cudnn.allow_tf32 = tf; torch.backends.cuda.matmul.allow_tf32 = tf
    for C, H in ((64, 160), (256, 40), (512, 20)):
        x = torch.randn(16, C, H, H, device=dev); w = torch.randn(C, C, 3, 3, device=dev); xl, wl = x.contiguous(memory_format=CL), w.contiguous(memory_format=CL)
        row(f"yolox-like conv {name} {C} {H}", nchw=ms(lambda: F.conv2d(x, w, padding=1)), nhwc=ms(lambda: F.conv2d(xl, wl, padding=1)))
